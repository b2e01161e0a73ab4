// Lvsdr sets up the hosts of an LVS direct-routing cluster: one command on the
// director, one on each real server. Everything that knows LVS is in package
// lvsdr; here is the command line.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
)

func main() {
	collectLater()
	os.Exit(command(local()))
}

// collectLater has the garbage collector begin at 16 MB and not at 4: the largest
// set-up ends before that, and would be collected five times. From then on it runs as
// ever.
func collectLater() {
	if os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(400)
	first := new([16]byte)
	runtime.AddCleanup(first, func(percent int) { debug.SetGCPercent(percent) }, 100)
}

// command runs the command line of this process.
func command(sys *system) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks to stop between two changes; from then on a signal
	// has its default action again, so a second one kills at once.
	context.AfterFunc(ctx, stop)
	return run(ctx, os.Args[1:], sys, os.Stdout, os.Stderr)
}
