package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

const watched = "virtual_server 10.10.10.22 80 {\n delay_loop 6\n lb_algo wrr\n lb_kind DR\n protocol TCP\n" +
	" real_server 10.10.10.31 80 {\n  weight 1\n  TCP_CHECK {\n   connect_port 80\n  }\n }\n}\n"

// The real program says what it does not like, and of which line.
func TestKeepalivedTest(t *testing.T) {
	if _, err := program(keepalivedName); err != nil {
		t.Skip(err)
	}
	for name, tt := range map[string]struct{ text, want string }{
		"good":               {watched, ""},
		"unknown keyword":    {strings.Replace(watched, "lb_kind", "lb_knd", 1), "Line 4) Unknown keyword 'lb_knd'"},
		"every weight 0":     {strings.Replace(watched, "weight 1", "weight 0", 1), ""},
		"weight 0 and worse": {strings.Replace(strings.Replace(watched, "weight 1", "weight 0", 1), "delay_loop", "dely_loop", 1), "Unknown keyword 'dely_loop'"},
	} {
		err := keepalived{}.Test(t.Context(), []byte(tt.text))
		var refused *host.KeepalivedError
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case tt.want != "" && (!errors.As(err, &refused) || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
}

// What was not read is not good, whatever the exit status is.
func TestKeepalivedJudge(t *testing.T) {
	if err := judge("Configuration file '/x' is not a regular non-executable file - skipping\n", nil); err == nil {
		t.Error("an unread file is good")
	}
	if err := judge("", errors.New("exit status 4")); err == nil || !strings.Contains(err.Error(), "exit status 4") {
		t.Errorf("status 4 without a word: %v", err)
	}
	if err := judge("", nil); err != nil {
		t.Error(err)
	}
}

func TestKeepalivedMissing(t *testing.T) {
	if _, err := program("lvsdr-no-such-program"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// A number counts while it is lvsdr's keepalived's.
func TestRunningPID(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pid")
	running := func(want int) {
		t.Helper()
		if got, err := runningPID(name, host.KeepalivedConf); got != want || err != nil {
			t.Errorf("got %d, %v, want %d", got, err, want)
		}
	}
	running(0)
	for _, text := range []string{"", "x\n", "1\n", strconv.Itoa(os.Getpid())} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		running(0)
	}
	cmd := exec.Command("sh", "-c", "read x; :", host.KeepalivedConf)
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	if err := os.WriteFile(name, []byte(strconv.Itoa(pid)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// The process has its arguments a moment after Start has seen it begin.
	for try := 0; try < 1000; try++ {
		if text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); len(text) > 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	running(pid)
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	running(0)
}
