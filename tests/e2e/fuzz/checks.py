"""What schemathesis does besides its own: a change of requests, and a check of each answer."""

import re

import schemathesis
from schemathesis.generation.modes import GenerationMode

# As the daemon reads them, roughly. What is none of these is refused before anything is fetched.
IMAGE = re.compile(r"^[\w.:/@-]+$")


@schemathesis.hook
def before_call(ctx, case, **kwargs):
    """Names a file that is not there in place of an image, because a registry would be outside of this host."""
    body = case.body
    if isinstance(body, dict) and isinstance(body.get("image"), str) and IMAGE.match(body["image"]):
        body["image"] = "./no-such-image"


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
        "must not be a header of this name",
        "must have each name once",
        "must have a host or a preset to intercept",
        "names a network twice",
        "must be a subnet such as",
    )
    issues = [each for each in issues if not any(words in each["problem"] for words in unknown_to_schemas)]
    assert not issues, f"What the document allows is refused for its form: {issues}"
    return None
