// Demo shows lvsdr make a cluster, with the real output of the real commands: in a
// lab on the running kernel where that has IPVS, else in a guest. "make demo" builds
// and runs it.
//
// With -fault it shows faults of package gallery instead: what goes wrong, what a
// client sees, what the doctor says, and that its command mends it.
//
// It ends with status 1 when anything it shows is not as it tells.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/lvsdr/toolkit/lvsdr/lab"
)

func main() {
	bin := flag.String("lvsdr", "bin/lvsdr", "the `program` to show")
	guest := flag.String("guest", "bin/umlexec", "the `program` that runs a command on a kernel with IPVS")
	kernel := flag.String("kernel", ".ci/kernel", "the `program` that prints where a kernel with nftables is, for the guest")
	fault := flag.String("fault", "", "the `name` of a fault to show instead of the whole story, or several: a,b; list: their names")
	trees := flag.String("machines", "", "show a machine with systemd instead; the `folder` is for its Debian")
	flag.Parse()
	if *fault == "list" {
		listFaults()
		return
	}
	if *trees != "" {
		if err := demoOfMachines(*bin, *trees); err != nil {
			fmt.Fprintln(os.Stderr, "demo:", err)
			os.Exit(1)
		}
		return
	}
	if err := demo(*bin, *guest, *kernel, *fault); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func demo(bin, guest, kernel, name string) error {
	bin, err := filepath.Abs(bin)
	if err != nil {
		return err
	}
	faults, err := findFaults(name)
	if err != nil {
		return err
	}
	inGuest := lab.Guest.Missing() == nil
	if !inGuest && len(faults) > 1 {
		return inGuests(guest, kernel, faults)
	}
	if !inGuest && slices.ContainsFunc(faults, needsNFT) {
		if err := useDistributionKernel(kernel); err != nil {
			return err
		}
		return enterGuest(guest)
	}
	if !inGuest && (lab.Netns.Missing() != nil || lab.IPVS.Missing() != nil) {
		return enterGuest(guest)
	}
	// The hosts find the program by its name, as installed.
	if err := os.Setenv("PATH", filepath.Dir(bin)+":"+os.Getenv("PATH")); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if name != "" {
		return showFaults(ctx, faults)
	}
	return wholeStory(ctx, inGuest)
}

func demoOfMachines(bin, trees string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return machines(ctx, bin, trees)
}

func wholeStory(ctx context.Context, inGuest bool) error {
	l, err := lab.New(ctx)
	if err != nil {
		return err
	}
	err = tell(ctx, l, inGuest)
	if closeErr := l.Close(); err == nil {
		err = closeErr
	}
	return err
}

// enterGuest runs this program again, in the guest, and never returns when it
// could.
func enterGuest(guest string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	guest, err = exec.LookPath(guest)
	if err != nil {
		return err
	}
	return syscall.Exec(guest, append([]string{guest, self}, os.Args[1:]...), os.Environ())
}
