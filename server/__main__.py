import sys

import gunicorn

from server.contract import IMAGE_TAG

if int(gunicorn.__version__.partition(".")[0]) < 22:
    # Checked before the program is imported: older images lack modules that it needs.
    sys.exit(
        f"pypiserver: gunicorn {gunicorn.__version__} lets requests be smuggled: "
        f"use pypiserver/pypiserver:{IMAGE_TAG}, or another image with gunicorn 22 or newer."
    )

from server.processes import main

main()
