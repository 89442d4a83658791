"""A check that schemathesis runs on each answer, besides its own."""

import schemathesis
from schemathesis.generation.modes import GenerationMode


@schemathesis.check
def documented_input_is_valid(ctx, response, case):
    """What the document allows is not refused for its form.

    Whether a user, a file or a program is there is for the guest to say, and no schema knows; such refusals list no
    issues.
    """
    meta = case.meta
    # Its fields have to come before its file, which JSON Schema cannot say.
    if case.operation.label.endswith("/files/upload"):
        return None
    if meta is None or meta.generation.mode != GenerationMode.POSITIVE or response.status_code != 422:
        return None
    issues = response.json()["error"]["details"].get("issues")
    assert not issues, f"What the document allows is refused for its form: {issues}"
    return None
