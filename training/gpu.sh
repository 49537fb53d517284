#!/bin/sh
# One piece of training on a machine with a GPU and no network, at most ten minutes at a time:
#
#   training/gpu.sh PIECES OUT STAGE MINUTES [more words for train.py]
#
# PIECES: folder with what bundle.py packed, or with what an earlier call left in OUT (or an empty one, to begin). OUT
# gets the averaged weights and patch heads in files under 16 MB, and the log. A call for the same stage goes on from
# the weights, with new optimiser moments. For a try on a CPU: DEVICE=cpu SIZE=tiny. BUNDLE: folder whose faces and
# pictures are used (those of bundle.py); without it the narrow domain is drawn.
#
#   BUNDLE=in SIZE=D training/gpu.sh in  out 1 8 --constant 1        # stage 1; the last call of a stage: --constant 0
#   BUNDLE=in SIZE=D training/gpu.sh out more 3 8
set -eu
pieces=$1 out=$2 stage=$3 minutes=$4
shift 4
device=${DEVICE:-cuda} size=${SIZE:-M} batch=${BATCH:-256} together=${TOGETHER:-64}
here=$(cd "$(dirname "$0")" && pwd)

python=
for candidate in "${PYTHON:-}" "$here/venv/bin/python" python3; do
  if [ -n "$candidate" ] && "$candidate" -c 'import numpy, PIL, torch' 2>/dev/null; then
    python=$candidate
    break
  fi
done
if [ -z "$python" ]; then
  echo "gpu.sh: no Python here has torch, numpy and Pillow (requirements.txt): bring them as wheels and set PYTHON" >&2
  exit 3
fi
if ! "$python" -c "import torch; torch.zeros(1, device='$device')" 2>/dev/null; then
  echo "gpu.sh: torch $("$python" -c 'import torch; print(torch.__version__)') finds no device \"$device\": DEVICE=cpu trains on the processor" >&2
  exit 3
fi
cores=$(nproc)
workers=${WORKERS:-$((cores > 4 ? cores - 2 : cores))}
run=$(mktemp -d)
trap 'rm -rf "$run"' EXIT
mkdir -p "$out" "$run/start"
if [ -n "${BUNDLE:-}" ]; then
  FACES=$run/faces
  export FACES
  mkdir "$FACES"
  tar -C "$FACES" -xJf "$BUNDLE/fonts.tar.xz"
  set -- --full --pictures "$BUNDLE/pictures" "$@"
elif [ ! -d /usr/share/fonts/truetype/dejavu ] || [ ! -d /usr/share/fonts/truetype/liberation ]; then
  echo "gpu.sh: the fonts of faces.py are not here: unpack fonts-dejavu-core and fonts-liberation to /" >&2
  exit 3
fi
eager=
"$python" -c 'import triton' 2>/dev/null || [ "$device" = cpu ] || eager=--eager
if ls "$pieces"/weights.* > /dev/null 2>&1; then
  cat "$pieces"/weights.* > "$run/start/model.safetensors"
  tar -C "$run/start" -xf "$pieces/configs.tar"
  cp "$pieces/heads.safetensors" "$run/"
  # a bundle may leave the decoder out
  set -- --weights ${BUNDLE:+"$here/../models/default"} "$run/start" --heads "$run/heads.safetensors" "$@"
fi
"$python" "$here/train.py" --stage "$stage" --minutes "$minutes" --run "$run" --processes 1 \
  --device "$device" --size "$size" --workers "$workers" --batch "$batch" --together "$together" $eager "$@"
"$python" "$here/export.py" "$run/stage$stage.pt" "$run/model" --heads "$out/heads.safetensors"
rm -f "$out"/weights.*
split -b 15000000 "$run/model/model.safetensors" "$out/weights."
tar -C "$run/model" -cf "$out/configs.tar" --exclude=model.safetensors .
cat "$run/stage$stage.log" >> "$out/log.txt"
tail -n 1 "$out/log.txt"
