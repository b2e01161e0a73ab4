// Umlexec runs a command inside User-Mode Linux: a real Linux kernel with IPVS, as
// an ordinary process, on this machine's own files. It is made for
//
//	go test -exec /path/to/umlexec ./lvsdr/...
//
// and runs any other command as well:
//
//	umlexec ipvsadm --version
//
// The command finds the machine's file system with a private, throw-away copy of
// whatever it writes, and the environment, working directory and arguments it was
// given. Its output streams back, stdout and stderr apart, and its exit status is
// umlexec's. The files that go test asks a test binary for (-test.coverprofile and
// its kin) and GOCOVERDIR come back too. Nothing else does: neither the machine's
// files nor its network are within the guest's reach.
//
// Exit status: the command's own; 128+n when signal n ended it; 124 when the time
// was up; 125 when the guest failed (kernel panic; the console is shown); 127 when
// it could not be started. Each but the first is told in words on stderr.
//
// Environment:
//
//	LVSDR_UML            the kernel, by default linux.uml on PATH (Debian's package user-mode-linux)
//	LVSDR_QEMU_KERNEL    instead of it, a distribution's kernel run by qemu without KVM: the folder
//	                     of its unpacked package (dpkg-deb -x linux-image-….deb DIR; depmod -b DIR …)
//	LVSDR_QEMU_ICOUNT    set: qemu's time is the instructions executed, for repeatable benchmarks
//	LVSDR_GUEST_TIMEOUT  time the command has, by default 10m
//	LVSDR_GUEST_MEM      the guest's memory, by default 768M
//	LVSDR_GUEST_CPUS     the processors of a guest of qemu's, by default 1
//	LVSDR_GUEST_TAP      the number of a file descriptor that umlexec has inherited: the tap device
//	                     (Documentation/networking/tuntap.rst) that a guest of qemu's has for its eth0
//	LVSDR_GUEST_OUT      a folder whose files the guest may write, at the same path
//
// The command sees LVSDR_TEST_GUEST=1, which only a guest sets, and
// LVSDR_TEST_REQUIRE extended by netns, ipvs and iptables (nft too under qemu), so that no test skips
// what this kernel has.
package main

import (
	"fmt"
	"os"
)

// The program runs in three places, told apart by this variable: unset, it is the
// launcher; "cage", process 1 of the namespaces around the guest; "guest", process
// 1 inside the guest, where the kernel's command line set it.
const stageVar = "UMLEXEC_STAGE"

// jobVar names the job folder, in the guest.
const jobVar = "UMLEXEC_JOB"

// Exit statuses that are not the command's, after timeout(1) and the shell.
const (
	exitTimeout = 124
	exitGuest   = 125
	exitStart   = 127
)

func main() {
	switch os.Getenv(stageVar) {
	case "cage":
		os.Exit(cage())
	case "guest":
		guest()
	}
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: umlexec COMMAND [ARGUMENT...]")
		os.Exit(exitStart)
	}
	os.Exit(launch(os.Args[1:]))
}
