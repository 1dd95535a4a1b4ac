// Go as a peer: goroutines, wait groups, contexts. Speaks the protocol of bench/common/bench.h by itself.
// The number of workers is GOMAXPROCS; spawning is always from inside, since Go knows no foreign thread.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	usualReps = 7
	limit     = 300 * time.Second
	wrong     = 3
	skip      = 77
	million   = 1000000
)

type figure struct{ suffix, unit string }

// A workload does its work once and returns its figures. reps 0: the usual number, after a warm-up;
// 1: no warm-up.
type workload struct {
	rep     func() []float64
	reps    int
	figures []figure
}

var workloads = map[string]workload{
	"fib":              {fibRep, 0, []figure{{"", "ns/fork"}}},
	"skynet-spawn":     {skyRep, 0, []figure{{"", "ms"}}},
	"flat-spawn":       {flatRep, 0, []figure{{"", "ns/task"}}},
	"yield-2":          {func() []float64 { return yieldRep(2) }, 0, []figure{{"", "ns/yield"}}},
	"yield-1000":       {func() []float64 { return yieldRep(1000) }, 0, []figure{{"", "ns/yield"}}},
	"channel":          {func() []float64 { return channelRep(0) }, 0, []figure{{"", "ns/trip"}}},
	"channel-buffered": {func() []float64 { return channelRep(1) }, 0, []figure{{"", "ns/trip"}}},
	"wake":             {wakeRep, 1, []figure{{"-p50", "us"}, {"-p99", "us"}, {"-p99.9", "us"}}},
	"sleepers": {sleepersRep, 1,
		[]figure{{"-spawn", "s"}, {"-memory", "bytes/task"}, {"-wake", "ms"}}},
	"sleepers-cancel": {cancelRep, 3, []figure{{"", "ms"}}},
	"idle":            {idleRep, 1, []figure{{"", "ms CPU/5s"}}},
}

func require(ok bool, what string) {
	if !ok {
		fmt.Fprintln(os.Stderr, "bench: wrong result:", what)
		os.Exit(wrong)
	}
}

func since(start time.Time) float64 { return float64(time.Since(start).Nanoseconds()) }

func fib(n int) int64 {
	if n < 2 {
		return int64(n)
	}
	var first int64
	var child sync.WaitGroup
	child.Add(1)
	go func() {
		first = fib(n - 1)
		child.Done()
	}()
	second := fib(n - 2)
	child.Wait()
	return first + second
}

func fibRep() []float64 {
	const n, answer, forks = 25, 75025, 121392
	start := time.Now()
	require(fib(n) == answer, "fib")
	return []float64{since(start) / forks}
}

func sky(first, leaves int64, result chan<- int64) {
	if leaves == 1 {
		result <- first
		return
	}
	parts := make(chan int64)
	for i := int64(0); i < 10; i++ {
		go sky(first+i*leaves/10, leaves/10, parts)
	}
	var sum int64
	for i := 0; i < 10; i++ {
		sum += <-parts
	}
	result <- sum
}

func skyRep() []float64 {
	result := make(chan int64)
	start := time.Now()
	go sky(0, million, result)
	require(<-result == 499999500000, "skynet-spawn")
	return []float64{since(start) * 1e-6}
}

func flatRep() []float64 {
	var all sync.WaitGroup
	all.Add(million)
	start := time.Now()
	for i := 0; i < million; i++ {
		go all.Done()
	}
	all.Wait()
	return []float64{since(start) / million}
}

func yieldRep(tasks int) []float64 {
	const yields = 2 * million
	var all sync.WaitGroup
	all.Add(tasks)
	start := time.Now()
	for i := 0; i < tasks; i++ {
		go func() {
			for made := 0; made < yields/tasks; made++ {
				runtime.Gosched()
			}
			all.Done()
		}()
	}
	all.Wait()
	return []float64{since(start) / yields}
}

// Two goroutines pass a number to and fro.
func channelRep(capacity int) []float64 {
	there := make(chan int64, capacity)
	back := make(chan int64, capacity)
	var both sync.WaitGroup
	both.Add(2)
	sum := int64(0)
	start := time.Now()
	go func() {
		for i := 0; i < million; i++ {
			back <- <-there + 1
		}
		both.Done()
	}()
	go func() {
		for i := int64(0); i < million; i++ {
			there <- i
			sum += <-back
		}
		both.Done()
	}()
	both.Wait()
	elapsed := since(start) / million
	require(sum == million*(million+1)/2, "channel")
	return []float64{elapsed}
}

// A nap of the thread: the runtime's own timers would keep it awake.
func nap(microseconds int64) {
	span := syscall.NsecToTimespec(microseconds * 1000)
	syscall.Nanosleep(&span, nil)
}

func wakeOnce() float64 {
	var stamp int64
	nap(100)
	start := time.Now()
	go func() { atomic.StoreInt64(&stamp, time.Since(start).Nanoseconds()) }()
	for atomic.LoadInt64(&stamp) == 0 {
		nap(20)
	}
	return float64(stamp) * 1e-3
}

// The caller is locked to its thread and sleeps in the kernel, so other threads run the tasks; yet it
// holds a processor until the runtime's monitor takes it away, which is a part of Go's figure.
func wakeRep() []float64 {
	const samples, uncounted = 20000, 200
	sample := make([]float64, 0, samples)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for i := -uncounted; i < samples; i++ {
		if took := wakeOnce(); i >= 0 {
			sample = append(sample, took)
		}
	}
	sort.Float64s(sample)
	return []float64{sample[samples/2], sample[samples/100*99], sample[samples/1000*999]}
}

// Resident pages and page tables.
func memory() float64 {
	text, err := os.ReadFile("/proc/self/status")
	require(err == nil, "/proc/self/status")
	sum := 0.0
	for _, line := range strings.Split(string(text), "\n") {
		field := strings.Fields(line)
		if len(field) == 3 && (field[0] == "VmRSS:" || field[0] == "VmPTE:") {
			kib, _ := strconv.ParseFloat(field[1], 64)
			sum += kib * 1024
		}
	}
	return sum
}

func sleepersRep() []float64 {
	var asleep int64
	var all sync.WaitGroup
	all.Add(million)
	before := memory()
	start := time.Now()
	until := start.Add(8 * time.Second)
	for i := 0; i < million; i++ {
		go func() {
			atomic.AddInt64(&asleep, 1)
			time.Sleep(time.Until(until))
			all.Done()
		}()
	}
	for atomic.LoadInt64(&asleep) < million {
		runtime.Gosched()
	}
	spawned := since(start) * 1e-9
	bytes := (memory() - before) / million
	require(time.Now().Before(until), "sleepers: woke before all slept")
	all.Wait()
	return []float64{spawned, bytes, since(until) * 1e-6}
}

func sleeper(done <-chan struct{}, all *sync.WaitGroup) {
	alarm := time.NewTimer(time.Hour)
	select {
	case <-done:
	case <-alarm.C:
		require(false, "a sleeper was not cancelled")
	}
	alarm.Stop()
	all.Done()
}

func cancelRep() []float64 {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Add(million)
	for i := 0; i < million; i++ {
		go sleeper(ctx.Done(), &all)
	}
	time.Sleep(2 * time.Second)
	start := time.Now()
	cancel()
	all.Wait()
	return []float64{since(start) * 1e-6}
}

func cpuSeconds() float64 {
	var used syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return float64(used.Utime.Nano()+used.Stime.Nano()) * 1e-9
}

func idleRep() []float64 {
	nap(500000)
	before := cpuSeconds()
	nap(5000000)
	return []float64{(cpuSeconds() - before) * 1e3}
}

func median(sorted []float64) float64 {
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return 0.5 * (sorted[n/2-1] + sorted[n/2])
}

func measure(name string, work workload, workers, reps int) {
	samples := make([][]float64, len(work.figures))
	if work.reps != 1 {
		work.rep()
	}
	for rep := 0; rep < reps; rep++ {
		for i, value := range work.rep() {
			samples[i] = append(samples[i], value)
		}
	}
	for i, each := range work.figures {
		value := samples[i]
		sort.Float64s(value)
		fmt.Printf("{\"workload\": \"%s%s\", \"subject\": \"Go\", \"workers\": %d, \"unit\": \"%s\", "+
			"\"median\": %.6g, \"min\": %.6g, \"max\": %.6g, \"reps\": %d}\n",
			name, each.suffix, workers, each.unit, median(value), value[0], value[reps-1], reps)
	}
}

func main() {
	if len(os.Args) != 5 || os.Args[1] != "--child" {
		fmt.Fprintln(os.Stderr, "usage: peer-go --child WORKLOAD WORKERS REPS")
		os.Exit(2)
	}
	work, known := workloads[os.Args[2]]
	if !known {
		os.Exit(skip)
	}
	workers, _ := strconv.Atoi(os.Args[3])
	reps, _ := strconv.Atoi(os.Args[4])
	if reps == 0 {
		reps = work.reps
	}
	if reps == 0 {
		reps = usualReps
	}
	time.AfterFunc(limit, func() { os.Exit(2) })
	runtime.GOMAXPROCS(workers)
	measure(os.Args[2], work, workers, reps)
}
