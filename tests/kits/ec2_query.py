"""Refusals as EC2's Query API sends them, to be put in the way of recorded answers.

moto's server, which answers for EC2 elsewhere, refuses no request for its rate or its permissions, and it has no real
spot prices, no placement scores and no capacity blocks. For those Amazon's client talks to the mirror of recorded pages
(tests/kits/provider.py), whose answers are XML of the documented form, and these are its refusals.
"""

from __future__ import annotations

from tests.kits.provider import Fault


def ec2_refusal(code: str, status: int, times: int = 1, message: str = "no") -> Fault:
    """The next `times` requests are answered with this error (EC2 API reference, "Error codes")."""
    errors = f"<Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
    answer = f'<?xml version="1.0" encoding="UTF-8"?>\n<Response>{errors}<RequestID>ea966190</RequestID></Response>'
    return Fault(status=status, content=answer.encode(), times=times)
