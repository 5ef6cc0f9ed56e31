# Ends a PostgreSQL server and removes its folder when its owner has ended.
# $1 is the folder. The owner is a process whose number is $2, or else whoever holds our input.
folder=$1
if [ -n "${2:-}" ]; then
    while kill -0 "$2" 2>/dev/null; do sleep 0.5; done
else
    read -r _ || :
fi
server=$(head -n 1 "$folder/data/postmaster.pid" 2>/dev/null)
if [ -n "$server" ]; then
    # A server that is stopped hears nothing, and neither do its children.
    kill -CONT "$server" $(cat "/proc/$server/task/$server/children" 2>/dev/null) 2>/dev/null
    kill -QUIT "$server" 2>/dev/null
    turns=0
    while kill -0 "$server" 2>/dev/null && [ "$turns" -lt 200 ]; do
        sleep 0.05
        turns=$((turns + 1))
    done
    kill -KILL "$server" 2>/dev/null
fi
rm -rf "$folder"
