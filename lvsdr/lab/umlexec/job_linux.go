package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"
)

// A job is what the launcher asks of the guest. The job folder carries it there,
// and everything that comes back.
type job struct {
	Args    []string      // the command
	Env     []string      // its whole environment
	Dir     string        // its working directory
	Timeout time.Duration // after which it gets SIGQUIT, then SIGKILL
	Out     string        // LVSDR_GUEST_OUT
	Modules string        // what becomes /lib/modules
	Tap     bool          // it has an eth0
}

// A result is what became of the command.
type result struct {
	Exit     int    // its exit status
	Signal   int    // or the signal that ended it
	TimedOut bool   // because the time was up
	Error    string // it was never started: why
}

// The files of a job folder.
const (
	jobFile     = "job.json"
	resultFile  = "result.json"
	stdoutFile  = "stdout"
	stderrFile  = "stderr"
	consoleFile = "console" // what the guest's kernel says
	initFile    = "init"    // a link to this program
	memDir      = "mem"     // tmpfs in the cage: the guest's memory
	umlDir      = "uml"     // uml_dir
	filesDir    = "files"   // files that go back to where the caller wants them
)

func writeJSON(dir, name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), data, 0o600)
}

func readJSON(dir, name string, v any) error {
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}
