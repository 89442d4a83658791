"""The asyncio half of the library."""
