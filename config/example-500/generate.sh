#!/bin/sh
# Writes the camera files of config/example-500.toml: 48 units, 11 cameras in the first 20 and 10 in
# the others. Addresses are of the documentation kind: nothing answers there.
set -eu
cd "$(dirname "$0")"
for unit in $(seq 1 48); do
    name=$(printf 'school-%02d' "$unit")
    count=$([ "$unit" -le 20 ] && echo 11 || echo 10)
    {
        echo "# Cameras of $name."
        echo "[defaults]"
        echo "unit = \"district/$name\""
        for n in $(seq 1 "$count"); do
            echo
            echo "[[camera]]"
            printf 'id = "%s-%02d"\n' "$name" "$n"
            echo "url = \"rtsp://10.20.$unit.$n/main\""
            echo "sub = \"rtsp://10.20.$unit.$n/sub\""
            case $n in
            1)
                echo 'name = "Gate"'
                echo 'analytics = "people"'
                echo
                echo "[[camera.rule]]"
                echo 'id = "fence"'
                echo 'kind = "line_crossing"'
                echo 'line = [[0.0, 0.8], [1.0, 0.8]]'
                echo 'schedule = { zone = "Asia/Shanghai", spans = ["22:00-06:00"] }'
                ;;
            2) echo 'name = "Yard"' ;;
            esac
        done
    } >"$name.toml"
done
