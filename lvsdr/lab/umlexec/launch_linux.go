package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// bootTime is what the guest may take on top of the command's time, generously: a
// loaded machine boots it in seconds.
const bootTime = 90 * time.Second

// launch runs the command in a guest and returns the exit status to exit with.
func launch(args []string) int {
	l, err := prepare(args)
	if err != nil {
		return fail(exitStart, err)
	}
	defer os.RemoveAll(l.dir)
	if err := l.run(); err != nil {
		return fail(exitGuest, err)
	}
	status := l.status()
	for _, r := range l.back {
		if err := r.bringBack(); err != nil {
			return fail(exitGuest, fmt.Errorf("bringing back a file of the guest: %w", err))
		}
	}
	return status
}

func fail(status int, err error) int {
	fmt.Fprintln(os.Stderr, "umlexec:", err)
	return status
}

// A launcher is one guest and its job folder.
type launcher struct {
	dir     string
	kernel  string
	job     job
	back    []returning
	tap     *os.File  // LVSDR_GUEST_TAP, or nil
	stopped os.Signal // that ended the guest, sent to the launcher
	expired bool      // the guest did not end by itself in time
}

func prepare(args []string) (*launcher, error) {
	kernel, modules, err := findKernel()
	if err != nil {
		return nil, err
	}
	timeout, err := time.ParseDuration(or(os.Getenv("LVSDR_GUEST_TIMEOUT"), "10m"))
	if err != nil {
		return nil, fmt.Errorf("LVSDR_GUEST_TIMEOUT: %w", err)
	}
	tap, err := inherited(os.Getenv("LVSDR_GUEST_TAP"))
	if err != nil {
		return nil, fmt.Errorf("LVSDR_GUEST_TAP: %w", err)
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	wd, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "umlexec-")
	if err != nil {
		return nil, err
	}
	l := &launcher{dir: dir, kernel: kernel, tap: tap}
	l.job = job{
		Env: guestEnv(os.Environ()), Dir: wd, Timeout: timeout, Out: os.Getenv("LVSDR_GUEST_OUT"),
		Modules: modules, Tap: tap != nil,
	}
	files := filepath.Join(dir, filesDir)
	l.job.Args, l.back = redirectFlags(append([]string{path}, args[1:]...), files)
	l.back = append(l.back, redirectCoverDir(l.job.Args, l.job.Env, files)...)
	if err := l.fill(); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return l, nil
}

// inherited is the open file with that number, nil for none.
func inherited(number string) (*os.File, error) {
	if number == "" {
		return nil, nil
	}
	if os.Getenv("LVSDR_QEMU_KERNEL") == "" {
		return nil, errors.New("it takes qemu (LVSDR_QEMU_KERNEL)")
	}
	fd, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "tap")
	if _, err := f.Stat(); err != nil {
		return nil, err
	}
	return f, nil
}

// fill makes the job folder's contents.
func (l *launcher) fill() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.Symlink(self, filepath.Join(l.dir, initFile)); err != nil {
		return err
	}
	for _, name := range []string{memDir, umlDir, filesDir} {
		if err := os.Mkdir(filepath.Join(l.dir, name), 0o700); err != nil {
			return err
		}
	}
	for _, r := range l.back {
		if strings.HasPrefix(filepath.Base(r.inside), "cover") { // folders must exist
			if err := os.Mkdir(r.inside, 0o700); err != nil {
				return err
			}
		}
	}
	for _, name := range []string{stdoutFile, stderrFile} {
		if err := os.WriteFile(filepath.Join(l.dir, name), nil, 0o600); err != nil {
			return err
		}
	}
	return writeJSON(l.dir, jobFile, l.job)
}

// findKernel finds the kernel to boot and the modules that belong to it: the
// distribution's kernel that LVSDR_QEMU_KERNEL names, or User-Mode Linux.
func findKernel() (kernel, modules string, err error) {
	if dir, ok := os.LookupEnv("LVSDR_QEMU_KERNEL"); ok {
		if dir == "" { // the output of a command that failed
			return "", "", errors.New("LVSDR_QEMU_KERNEL is set and empty: the folder of a kernel is wanted")
		}
		if dir, err = filepath.Abs(dir); err != nil {
			return "", "", err
		}
		_, err = findDistroKernel(dir)
		return dir, filepath.Join(dir, "lib/modules"), err
	}
	kernel, err = exec.LookPath(or(os.Getenv("LVSDR_UML"), "linux.uml"))
	if err != nil {
		return "", "", fmt.Errorf("no User-Mode Linux kernel (apt-get install user-mode-linux, or name one in LVSDR_UML): %w", err)
	}
	kernel, err = filepath.Abs(kernel)
	return kernel, moduleTree, err
}

// guestEnv is the command's environment.
func guestEnv(env []string) []string {
	require := "netns,ipvs,iptables"
	if os.Getenv("LVSDR_QEMU_KERNEL") != "" {
		require += ",nft"
	}
	path := "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	var out []string
	for _, e := range env {
		switch name, value, _ := strings.Cut(e, "="); name {
		case "LVSDR_TEST_REQUIRE":
			if value != "" {
				require = value + "," + require
			}
		case "PATH":
			path = value + ":/usr/sbin:/sbin"
		case "LVSDR_TEST_GUEST", "LVSDR_UML", "LVSDR_QEMU_KERNEL", "LVSDR_GUEST_TIMEOUT", "LVSDR_GUEST_MEM", "LVSDR_GUEST_CPUS", "LVSDR_GUEST_TAP":
		default:
			out = append(out, e)
		}
	}
	return append(out, "PATH="+path, "LVSDR_TEST_GUEST=1", "LVSDR_TEST_REQUIRE="+require)
}

// run starts the guest, hands on its output, and returns when it is gone.
func (l *launcher) run() error {
	console, err := os.Create(filepath.Join(l.dir, consoleFile))
	if err != nil {
		return err
	}
	defer console.Close()
	// The cage lives as long as this pipe's other end, so as long as this process.
	lifeline, keep, err := os.Pipe()
	if err != nil {
		return err
	}
	defer keep.Close()
	cmd := l.cageCommand(lifeline, console)
	err = cmd.Start()
	lifeline.Close()
	if err != nil {
		return fmt.Errorf("starting namespaces for the guest: %w", err)
	}
	stop := tail(l.dir)
	defer stop()
	return l.wait(cmd)
}

func (l *launcher) cageCommand(lifeline, console *os.File) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", l.dir, l.kernel, or(os.Getenv("LVSDR_GUEST_MEM"), "768M"), l.job.Out)
	cmd.Env = append(os.Environ(), stageVar+"=cage")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = lifeline, console, console
	if l.tap != nil {
		cmd.ExtraFiles = []*os.File{l.tap}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setpgid:    true, // a terminal's ^C is for the launcher
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC,
	}
	if uid := os.Geteuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return cmd
}

// wait waits for the cage, and ends it when the time is up or a signal came.
func (l *launcher) wait(cmd *exec.Cmd) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP)
	defer signal.Stop(signals)
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	expired := time.NewTimer(l.job.Timeout + bootTime)
	defer expired.Stop()
	select {
	case err := <-done:
		var exit *exec.ExitError
		if errors.As(err, &exit) { // told by the console
			return nil
		}
		return err
	case l.stopped = <-signals:
	case <-expired.C:
		l.expired = true
	}
	// Process 1 of a process namespace: all the others go with it.
	if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-done
	return nil
}

// status says what became of the command and returns the exit status for it.
func (l *launcher) status() int {
	console, _ := os.ReadFile(filepath.Join(l.dir, consoleFile))
	var r result
	err := readJSON(l.dir, resultFile, &r)
	panicked := bytes.Contains(console, []byte("Kernel panic"))
	switch {
	case l.stopped != nil:
		fail(0, fmt.Errorf("stopped by signal: %v", l.stopped))
		return 128 + int(l.stopped.(syscall.Signal))
	case panicked:
		return fail(exitGuest, fmt.Errorf("the guest's kernel panicked; its console:\n%s", console))
	case l.expired:
		return fail(exitTimeout, fmt.Errorf("the guest did not end in %v; its console:\n%s", l.job.Timeout+bootTime, console))
	case err != nil:
		return fail(exitGuest, fmt.Errorf("the guest ended without a result: %w; its console:\n%s", err, console))
	}
	if bytes.Contains(console, []byte("Call Trace")) {
		fail(0, fmt.Errorf("the guest's kernel complained; its console:\n%s", console))
	}
	return r.status(l.job)
}

func (r result) status(j job) int {
	name := filepath.Base(j.Args[0])
	switch {
	case r.Error != "":
		return fail(exitStart, errors.New(r.Error))
	case r.TimedOut:
		return fail(exitTimeout, fmt.Errorf("%s did not end in %v (LVSDR_GUEST_TIMEOUT)", name, j.Timeout))
	case r.Signal != 0:
		return fail(128+r.Signal, fmt.Errorf("%s was ended by signal: %v", name, syscall.Signal(r.Signal)))
	}
	return r.Exit
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
