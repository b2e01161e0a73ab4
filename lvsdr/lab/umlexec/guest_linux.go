package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// guest is process 1 inside the guest: it makes the system fit for a command, runs
// it, and switches the guest off. It never returns.
func guest() {
	dir := os.Getenv(jobVar)
	var r result
	if err := setUp(dir); err != nil {
		r.Error = fmt.Sprintf("in the guest: %v", err)
	} else {
		r = work(dir)
	}
	if err := writeJSON(dir, resultFile, r); err != nil {
		fmt.Println("umlexec: writing the result:", err) // to the console
	}
	unix.Sync() // the files of the job folder are in the guest's memory until then
	unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	select {} // power-off failed: the launcher ends this when the time is up
}

// work runs the job's command.
func work(dir string) (r result) {
	var j job
	if err := readJSON(dir, jobFile, &j); err != nil {
		return result{Error: err.Error()}
	}
	out, err := openOutputs(dir)
	if err != nil {
		return result{Error: err.Error()}
	}
	pid, err := start(j, out)
	if err != nil {
		return result{Error: fmt.Sprintf("starting %s in the guest: %v", j.Args[0], err)}
	}
	ended := make(chan syscall.WaitStatus)
	go reap(pid, ended)
	return out.watch(pid, ended, j.Timeout)
}

func start(j job, out outputs) (int, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	return syscall.ForkExec(j.Args[0], j.Args, &syscall.ProcAttr{
		Dir: j.Dir, Env: j.Env,
		Files: []uintptr{null.Fd(), out[0].file.Fd(), out[1].file.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
}

// reap collects every process that ends, as process 1 must, and reports one.
func reap(pid int, ended chan<- syscall.WaitStatus) {
	for {
		var status syscall.WaitStatus
		switch p, err := syscall.Wait4(-1, &status, 0, nil); {
		case err == syscall.EINTR:
		case err != nil:
			return
		case p == pid:
			ended <- status
		}
	}
}

// outputs are the command's stdout and stderr: files of the job folder. They stay
// in the guest's page cache until flushed.
type outputs [2]struct {
	file *os.File
	size int64
}

func openOutputs(dir string) (o outputs, err error) {
	for i, name := range []string{stdoutFile, stderrFile} {
		o[i].file, err = os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return o, err
		}
	}
	return o, nil
}

// flush writes what is new to the host, without asking the host for its disk.
func (o *outputs) flush() {
	for i := range o {
		info, err := o[i].file.Stat()
		if err != nil || info.Size() == o[i].size {
			continue
		}
		o[i].size = info.Size()
		unix.SyncFileRange(int(o[i].file.Fd()), 0, 0,
			unix.SYNC_FILE_RANGE_WAIT_BEFORE|unix.SYNC_FILE_RANGE_WRITE|unix.SYNC_FILE_RANGE_WAIT_AFTER)
	}
}

// watch flushes the output until the command ends. When its time is up it gets
// SIGQUIT, to which Go programs answer with their stacks, and then SIGKILL.
func (o *outputs) watch(pid int, ended <-chan syscall.WaitStatus, timeout time.Duration) (r result) {
	// Each look costs a question to the host, which under qemu is dear: 100 a second
	// took a quarter of the guest's processor.
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	expired := time.After(timeout)
	var killed <-chan time.Time
	for {
		select {
		case status := <-ended:
			r.Exit = status.ExitStatus()
			if status.Signaled() {
				r.Exit, r.Signal = 0, int(status.Signal())
			}
			return r
		case <-tick.C:
			o.flush()
		case <-expired:
			r.TimedOut = true
			syscall.Kill(pid, syscall.SIGQUIT)
			killed = time.After(5 * time.Second)
		case <-killed:
			syscall.Kill(-1, syscall.SIGKILL)
		}
	}
}
