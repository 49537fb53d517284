#!/bin/sh
# serve_clients.sh PHISCOPE MODEL PICTURE FOLDER: the packages openai and llm against phiscope serve. They are installed into
# FOLDER, which is kept; where they cannot be had, the test is skipped.
set -u
here=$(dirname "$0") folder=$4
if ! "$folder/bin/python" -c 'import openai, llm' 2>/dev/null; then
    python3 -m venv "$folder" >/dev/null 2>&1 && "$folder/bin/pip" install -q openai llm >/dev/null 2>&1 ||
        { echo '1..0 # SKIP openai and llm cannot be installed from PyPI here'; exit 0; }
fi
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY
exec "$folder/bin/python" "$here/serve_clients.py" "$1" "$2" "$3"
