# Sourced by train.sh and train_larger.sh, with their arguments: the folder, how long its parts take, a stage of the training.
folder=$(mkdir -p "$1" && cd "$1" && pwd)
share=${2:-1}
python=${PYTHON:-venv/bin/python}
cd "$(dirname "$0")"

part() { # a number times SHARE, at least LEAST: part NUMBER LEAST
    echo "$1 $share $2" | awk '{ n = $1 * $2; print n < $3 ? $3 : n }'
}
shards() { # as many times SHARE, at least one
    part "$1" 1 | cut -d. -f1
}
stage() { # size, run, number, minutes, options of train.py
    size=$1 run=$folder/$2 number=$3 minutes=$(part "$4" 0)
    shift 4
    ./trainer.sh $python train.py --size "$size" --stage "$number" --minutes "$minutes" --run "$run" "$@"
}
