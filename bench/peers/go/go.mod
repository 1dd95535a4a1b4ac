module belay/bench/peer

go 1.19
