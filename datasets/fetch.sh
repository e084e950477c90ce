#!/bin/sh
# fetch.sh: downloads named data sets and verifies them against manifest.txt (SHA-256).
# Touches nothing unless a data set is named. A broken download is resumed; a file whose sum is wrong is not kept.
set -u

usage() {
    cat <<TEXT
usage: fetch.sh [--data-dir DIR] [--manifest FILE] [--verify] NAME...
       fetch.sh --list

Downloads data sets into DIR (default: AUXO_DATA_DIR, else ~/.cache/auxo), one folder each, and checks every file's
SHA-256. Files that are there and right are left alone. --verify only checks. --list names the data sets.
Needs curl or wget, sha256sum, and tar or unzip for archives.
TEXT
}

fail() {
    echo "fetch.sh: $*" >&2
    exit 1
}

misuse() {
    echo "fetch.sh: $*; see fetch.sh --help" >&2
    exit 2
}

# The manifest's lines of one set, without its "set" line.
lines_of() {
    awk -v name="$1" '$1 == "alias" && $2 == name { name = $3 }
                      $1 == "set" { inside = ($2 == name); next }
                      inside && NF && $1 !~ /^#/' "$manifest"
}

sum_of() {
    sha256sum | cut -d ' ' -f 1
}

# plain NAME...: refuses what would leave the data folder: absolute paths, .. in them, and what looks like an option.
plain() {
    for part in "$@"; do
        case /$part/ in
        //* | */../* | */-*) fail "$manifest: '$part' is no name inside the data folder; nothing was written" ;;
        esac
    done
}

# verified FILE SUM: whether FILE, FILE.gz or FILE.xz is there with that sum (of the unpacked bytes).
verified() {
    if [ -f "$1" ]; then
        [ "$(sum_of <"$1")" = "$2" ]
    elif [ -f "$1.gz" ]; then
        [ "$(gzip -dc "$1.gz" 2>/dev/null | sum_of)" = "$2" ]
    elif [ -f "$1.xz" ]; then
        [ "$(xz -dc "$1.xz" 2>/dev/null | sum_of)" = "$2" ]
    else
        return 1
    fi
}

present() {
    [ -f "$1" ] || [ -f "$1.gz" ] || [ -f "$1.xz" ]
}

# download FILE SUM URL...: tries each address in turn; FILE.part is what a broken download leaves for the next time.
download() {
    file=$1 sum=$2
    shift 2
    for url in "$@"; do
        echo "fetch.sh: $url"
        if command -v curl >/dev/null 2>&1; then
            curl --fail --location --silent --show-error --retry 3 --continue-at - --output "$file.part" "$url" || {
                # A server that cannot resume, or a complete part: start over once.
                rm -f "$file.part"
                curl --fail --location --silent --show-error --output "$file.part" "$url" || continue
            }
        elif command -v wget >/dev/null 2>&1; then
            wget --no-verbose --continue --output-document "$file.part" "$url" || continue
        else
            fail "neither curl nor wget is installed"
        fi
        found=$(sum_of <"$file.part")
        if [ "$sum" = - ]; then
            echo "fetch.sh: $file: no SHA-256 is known for it; what is taken from it is checked" >&2
        fi
        if [ "$sum" = - ] || [ "$found" = "$sum" ]; then
            mv "$file.part" "$file" || fail "cannot write $file"
            return 0
        fi
        rm -f "$file.part"
        echo "fetch.sh: $url: SHA-256 is $found, expected $sum; not kept" >&2
    done
    return 1
}

# unpack ARCHIVE PATH FILE: one member of a .tar.gz or .zip.
unpack() {
    case $1 in
    *.zip)
        command -v unzip >/dev/null 2>&1 || fail "$1: unzip is not installed"
        unzip -p "$1" "$2" >"$3.part"
        ;;
    *) tar -xzOf "$1" -- "$2" >"$3.part" ;;
    esac || {
        rm -f "$3.part"
        fail "$1: cannot unpack $2"
    }
    mv "$3.part" "$3"
}

# Handles one set: reads its lines from standard input.
fetch_lines() {
    name=$1
    folder='' archive='' archive_sum='' archive_urls='' manual=''
    missing=''
    while read -r kind first second third rest; do
        case $kind in
        folder) plain "$first" ;;
        file | archive | member) plain "$third" ;;
        esac
        case $kind:$first in
        file:- | member:-)
            fail "$name: no SHA-256 is known for $third, so it cannot be checked; get it by hand" ;;
        esac
        case $kind in
        folder)
            folder=$data_dir/$first
            [ "$verify" = yes ] || mkdir -p "$folder" || fail "cannot make $folder"
            ;;
        licence) echo "fetch.sh: $name: licence: $first $second $third $rest" ;;
        file)
            if verified "$folder/$third" "$first"; then
                echo "fetch.sh: $folder/$third: right"
            elif present "$folder/$third" && [ "$verify" = yes ]; then
                fail "$folder/$third: SHA-256 is not $first"
            elif [ "$verify" = yes ] || [ "$rest" = - ]; then
                missing="$missing $third"
            else
                # shellcheck disable=SC2086 # several addresses
                download "$folder/$third" "$first" $rest || fail "$name: could not get $third"
            fi
            ;;
        archive) archive=$folder/$third archive_sum=$first archive_urls=$rest ;;
        member)
            if verified "$folder/$third" "$first"; then
                echo "fetch.sh: $folder/$third: right"
                continue
            elif present "$folder/$third" && [ "$verify" = yes ]; then
                fail "$folder/$third: SHA-256 is not $first"
            elif [ "$verify" = yes ]; then
                missing="$missing $third"
                continue
            fi
            if [ ! -f "$archive" ]; then
                # shellcheck disable=SC2086
                download "$archive" "$archive_sum" $archive_urls || fail "$name: could not get $archive"
            fi
            unpack "$archive" "$rest" "$folder/$third"
            verified "$folder/$third" "$first" || {
                rm -f "$folder/$third"
                fail "$archive: $rest does not have the SHA-256 $first; not kept"
            }
            ;;
        manual) manual="$first $second $third $rest" ;;
        esac
    done
    if [ -n "$missing" ]; then
        [ -z "$manual" ] || echo "fetch.sh: $name: $manual" >&2
        fail "$name: not there:$missing"
    fi
    [ -z "$archive" ] || [ "$verify" = yes ] || rm -f "$archive"
    echo "fetch.sh: $name: complete"
}

manifest=$(dirname "$0")/manifest.txt
data_dir=${AUXO_DATA_DIR:-${HOME:-.}/.cache/auxo}
verify=no list=no
while [ $# -gt 0 ]; do
    case $1 in
    --help) usage; exit 0 ;;
    --list) list=yes ;;
    --verify) verify=yes ;;
    --data-dir) [ $# -gt 1 ] || misuse "--data-dir needs a folder"; data_dir=$2; shift ;;
    --manifest) [ $# -gt 1 ] || misuse "--manifest needs a file"; manifest=$2; shift ;;
    --*) misuse "unknown option $1" ;;
    *) break ;;
    esac
    shift
done
[ -r "$manifest" ] || fail "$manifest: cannot be read"
if [ "$list" = yes ]; then
    awk '$1 == "set" || $1 == "alias" { print $2 }' "$manifest"
    exit 0
fi
[ $# -gt 0 ] || { usage >&2; exit 2; }
command -v sha256sum >/dev/null 2>&1 || fail "sha256sum is not installed"
for name in "$@"; do
    lines=$(lines_of "$name")
    [ -n "$lines" ] || misuse "no data set named '$name'"
    fetch_lines "$name" <<LINES || exit 1
$lines
LINES
done
