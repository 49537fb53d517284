#!/bin/sh
# Trains at the lowest priority until the budget is spent, while other programs' pictures are rendered:
#
#     background.sh FOLDER --stage 1 --minutes 600 ...      options of train.py
#
# FOLDER holds the pictures (FOLDER/pictures) and the run (FOLDER/run: checkpoints, logs). All processes are one
# group, whose number is in FOLDER/pid: kill -STOP -- -$(cat FOLDER/pid) stops them, -CONT lets them go on, -TERM
# ends them. The same command goes on from the last checkpoint. A trainer that ends early is started again. With
# RENDER=no in the environment the trainer has the processor to itself and learns from the pictures there are.
folder=$1
shift
cd "$(dirname "$0")" || exit 1
mkdir -p "$folder/pictures" "$folder/run"
export PYTHONWARNINGS=ignore
python=${PYTHON:-venv/bin/python}
exec setsid nice -n 19 sh -c '
folder=$1 python=$2
shift 2
echo $$ > "$folder/pid"
# where the kernel shares the processor out by sessions first, the nice value of a process counts within its own only
[ ! -w /proc/self/autogroup ] || echo 19 > /proc/self/autogroup
[ -z "$PID_FILE" ] || echo $$ > "$PID_FILE"
[ "$RENDER" = no ] || until $python render.py --out "$folder/pictures" >> "$folder/render.log" 2>&1; do sleep 5; done &
until ./trainer.sh $python train.py --run "$folder/run" --pictures "$folder/pictures" "$@" >> "$folder/train.out" 2>&1; do
    sleep 5
done
wait' background "$folder" "$python" "$@"
