#!/bin/sh
# tests/cli/pdf.sh PHISCOPE MODELS: pages of PDF documents, drawn by pdftoppm where it is installed, and what stands in its
# place where not. Prints TAP.
set -u
phiscope=$(realpath "$1") model=$(realpath "$2")/tiny-gqa-bf16
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_STATE_HOME="$dir" XDG_CONFIG_HOME="$dir" XDG_CACHE_HOME="$dir" LC_ALL=C PHISCOPE_MODEL="$model"
. "$(dirname -- "$0")/../tap.sh"
cd "$dir" || exit 1
tell() { [ ! -e out ] || cat out; }

# document FILE BOX TEXT…: a page for each text. Its table of places is left to be found anew, as readers do.
document() {
    file=$1 box=$2 kids='' i=4
    shift 2
    for text in "$@"; do kids="$kids $i 0 R" i=$((i + 2)); done
    {
        printf '%%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n'
        printf '2 0 obj\n<< /Type /Pages /Kids [%s] /Count %d >>\nendobj\n' "$kids" $#
        printf '3 0 obj\n<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>\nendobj\n'
        i=4
        for text in "$@"; do
            printf '%d 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [%s] /Contents %d 0 R ' $i "$box" $((i + 1))
            printf '/Resources << /Font << /F1 3 0 R >> >> >>\nendobj\n'
            stream="BT /F1 72 Tf 72 400 Td ($text) Tj ET"
            printf '%d 0 obj\n<< /Length %d >>\nstream\n%s\nendstream\nendobj\n' $((i + 1)) ${#stream} "$stream"
            i=$((i + 2))
        done
        printf 'trailer\n<< /Size %d /Root 1 0 R >>\n%%%%EOF\n' $i
    } >"$file"
}
document three.pdf '0 0 612 792' One Two Three
document one.pdf '0 0 300 200' Only
document huge.pdf '0 0 14400 7200' Large
head -c 300 three.pdf >cut.pdf
cp one.pdf 'touch evil; $(touch evil) -r.pdf'
: >'odd#1'

# crops PICTURE FILE: what the model sees of it. says LINES…: what a script of these lines tells.
crops() { "$phiscope" debug preprocess -i "$1" -o "$2" >out 2>&1; }
says() { printf '%s\n' "$@" | "$phiscope" script - --max-new-tokens 2 >out 2>&1; }

# What does not depend on the programs: those in the folder `fake` stand for them.
mkdir fake
fake() { printf '#!/bin/sh\n%s\n' "$2" >"fake/$1" && chmod +x "fake/$1"; }
PATH="$dir/fake" "$phiscope" debug preprocess -i three.pdf#1 -o o.npy >out 2>&1
grep -q 'three.pdf: .*pdfinfo is not here: install poppler-utils' out
result $? 'without poppler-utils the sentence says what to install'
export PATH="$dir/fake:$PATH"
# They may write no file, so they tell by standard error.
fake pdfinfo 'echo "got $*, $(ulimit -v) KiB, files of $(ulimit -f)" >&2; exit 1'
crops 'touch evil; $(touch evil) -r.pdf#1' o.npy
grep -q 'got /dev/fd/0, 1048576 KiB, files of 0 ' out && [ ! -e evil ]
result $? 'no name reaches the program, and its memory is bounded'
# A length that is this test's own tells its processes from others.
nap=60.$$
alive() { cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' ' ' | grep -q "[s]leep $nap "; } # pgrep is not everywhere
fake pdfinfo "exec sleep $nap"
begun=$(date +%s)
"$phiscope" debug preprocess --fetch-timeout 1 -i three.pdf#1 -o o.npy >out 2>&1
grep -q 'pdfinfo was not done with the PDF document after 1 s' out && [ $(($(date +%s) - begun)) -lt 30 ] && ! alive
result $? 'one that does not end is ended'
"$phiscope" debug preprocess -i three.pdf#1 -o o.npy >out 2>&1 &
job=$!
while ! alive && kill -0 $job; do sleep 0.1; done
kill -INT $job
wait $job
[ $? = 130 ] && ! alive
result $? 'Ctrl-C ends both'
fake pdfinfo 'echo "Pages: 1"; echo "Page size: 612 x 792 pts (letter)"'
fake pdftoppm 'exec cat /dev/zero'
crops one.pdf o.npy
grep -q 'pdftoppm wrote more than a page can have' out
result $? 'one that writes without end is ended'
fake pdftoppm 'kill -SEGV $$'
crops one.pdf o.npy
grep -q 'one.pdf: the PDF document cannot be read (pdftoppm)' out
result $? 'one that crashes'
rm fake/*

crops 'odd#1' o.npy
grep -q 'odd#1 is empty' out
result $? 'a file with # in its name is that file'
cp "$model/config.json" other.pdf
crops other.pdf#1 o.npy
grep -q 'only PDF documents have pages' out
result $? 'only documents have pages'

if command -v pdftoppm >/dev/null && command -v pdfinfo >/dev/null; then
    crops three.pdf#2 two.npy && pdftoppm -q -cropbox -r 150 -f 2 -l 2 -png three.pdf page 2>/dev/null &&
        crops "$(ls page-*.png)" png.npy && cmp two.npy png.npy && crops three.pdf#3 three.npy && ! cmp -s two.npy three.npy
    result $? 'a page is what pdftoppm makes of it'
    says ':load three.pdf#3' ':images' && grep -q '^@1 three.pdf#3: PNM 1275x1650' out
    result $? ':load, and its name'
    says 'What is on @three.pdf#2?' ':images' && grep -q '^@1 three.pdf#2: ' out
    result $? '@ in a prompt'
    crops three.pdf o.npy
    grep -q 'three.pdf: the PDF document has 3 pages: name one, with #1 to #3 behind the name' out
    result $? 'one of several has to be named'
    crops three.pdf#4 o.npy
    grep -q 'has 3 pages, and no page 4' out
    result $? 'a page that is not there'
    crops three.pdf#0 o.npy
    grep -q 'counted from 1' out
    result $? 'page 0'
    says ':load one.pdf' && grep -q '^@1 one.pdf: PNM 625x417' out
    result $? 'the only page needs no number'
    says ':load huge.pdf' && grep -q '^@1 huge.pdf: PNM 4096x2048' out
    result $? 'a page of 200 inches gets fewer dots'
    crops cut.pdf#1 o.npy
    grep -q 'cut.pdf: the PDF document cannot be read' out
    result $? 'a document that is cut off'

    # A cell from a file starts no program.
    says ':load one.pdf#1' 'What?' ':save talk.ipynb'
    result $? 'a notebook with a page'
    fake pdfinfo 'touch started'
    printf ':open talk.ipynb\n:run 1\n' | "$phiscope" script - >out 2>&1
    grep -q 'one.pdf: a page of a PDF document is drawn by another program, which a cell from a file may not start' out && [ ! -e started ]
    result $? 'a cell from a file starts no program'
    printf '{"questions": [{"images": ["one.pdf#1"], "turns": [{"question": "What?", "answer": "x"}]}]}' >questions.json
    "$phiscope" eval questions.json >out 2>&1
    [ ! -e started ]
    result $? 'nor does a list of questions'
else
    skip 'pages' 'poppler-utils is not here'
fi
tap_end
