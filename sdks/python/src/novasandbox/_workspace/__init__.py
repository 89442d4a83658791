"""The parts of workspaces that need no connection: both halves of the library share them."""
