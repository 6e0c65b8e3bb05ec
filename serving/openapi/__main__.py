"""`python -m serving.openapi`: the document, for generators of clients."""

from __future__ import annotations

import json
import sys

from serving.openapi.document import document

if __name__ == "__main__":
    json.dump(document(), sys.stdout, indent=1, ensure_ascii=False)
    print()
