"""What sandboxes may reach: their policies, policies with names, and questions about connections."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Union

from .._request import Request, as_model, given, nothing, segment
from ..models import (
    Approval,
    ApprovalList,
    DecisionList,
    Explanation,
    LearnedPolicy,
    NamedPolicy,
    NamedPolicyList,
    PolicyAnswer,
)

#: The name of a policy, or a policy itself.
PolicyChoice = Union[str, Mapping[str, Any]]

_named = as_model(NamedPolicy)
_approval = as_model(Approval)
#: A change reaches the sandboxes that run before it is answered.
change_patience = 60.0


def get_policy(ref: str) -> Request[PolicyChoice]:
    parse = as_model(PolicyAnswer)
    return Request("GET", _policy_of(ref), lambda answer: parse(answer).policy)


def set_policy(ref: str, policy: PolicyChoice) -> Request[PolicyAnswer]:
    body = {"policy": policy}
    return Request("PUT", _policy_of(ref), as_model(PolicyAnswer), json=body, patience=change_patience)


def decisions(ref: str, denied: bool) -> Request[DecisionList]:
    params = {"denied": "true"} if denied else {}
    return Request("GET", f"/vms/{segment(ref)}/network/decisions", as_model(DecisionList), params=params)


def learned(ref: str) -> Request[LearnedPolicy]:
    return Request("GET", f"{_policy_of(ref)}/learned", as_model(LearnedPolicy))


def create(name: str, policy: Mapping[str, Any]) -> Request[NamedPolicy]:
    return Request("POST", "/network/policies", _named, json={"name": name, "policy": policy})


def listing() -> Request[NamedPolicyList]:
    return Request("GET", "/network/policies", as_model(NamedPolicyList))


def get(ref: str) -> Request[NamedPolicy]:
    return Request("GET", _path(ref), _named)


def change(ref: str, policy: Mapping[str, Any]) -> Request[NamedPolicy]:
    return Request("PUT", _path(ref), _named, json={"policy": policy}, patience=change_patience)


def delete(ref: str) -> Request[None]:
    return Request("DELETE", _path(ref), nothing)


def test(
    policy: PolicyChoice, host: str, port: int, method: Optional[str], path: Optional[str]
) -> Request[Explanation]:
    wish: dict[str, Any] = {"host": host, "port": port}
    if method is not None or path is not None:
        wish["request"] = {"method": method or "GET", "path": path or "/"}
    return Request("POST", "/network/policies/test", as_model(Explanation), json={"policy": policy, "to": wish})


def approvals(sandbox: Optional[str], pending: bool) -> Request[ApprovalList]:
    params = given(vm=sandbox, pending="true" if pending else None)
    return Request("GET", "/network/approvals", as_model(ApprovalList), params=params)


def answer(approval: str, action: str, scope: str, valid_for: Optional[float]) -> Request[Approval]:
    body = given(action=action, scope=scope, for_seconds=valid_for)
    path = f"/network/approvals/{segment(approval, 'approval')}"
    return Request("POST", path, _approval, json=body, arguments_of={"for_seconds": "valid_for"}, patience=60.0)


def _policy_of(ref: str) -> str:
    return f"/vms/{segment(ref)}/network/policy"


def _path(ref: str) -> str:
    return f"/network/policies/{segment(ref, 'policy')}"
