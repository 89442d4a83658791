"""A check that schemathesis runs on each answer, besides its own."""

import schemathesis
from schemathesis.generation.modes import GenerationMode


@schemathesis.check
def documented_input_is_valid(ctx, response, case):
    """What the document allows is not refused for its form.

    Whether a user, a file or a program is there is for the guest to say, and no schema knows; such refusals list no
    issues. Neither can a schema say that two names of one field are not to differ, or what the host has.
    """
    meta = case.meta
    # Its fields have to come before its file, which JSON Schema cannot express.
    if case.operation.label.endswith("/files/upload"):
        return None
    if meta is None or meta.generation.mode != GenerationMode.POSITIVE or response.status_code != 422:
        return None
    issues = response.json()["error"]["details"].get("issues") or []
    unknown_to_schemas = (
        "are two names of one field, and differ",
        "is more than",
        "must begin at or below its end",
    )
    issues = [each for each in issues if not any(words in each["problem"] for words in unknown_to_schemas)]
    assert not issues, f"What the document allows is refused for its form: {issues}"
    return None
