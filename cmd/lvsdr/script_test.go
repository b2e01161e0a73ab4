package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the test binary be the command itself, for the tests that need
// a process: LVSDR_TEST_MAIN=1, or "unproved" for a set-up that only changes.
func TestMain(m *testing.M) {
	if as := os.Getenv("LVSDR_TEST_MAIN"); as != "" {
		sys := local()
		sys.unproved = as == "unproved"
		os.Exit(command(sys))
	}
	os.Exit(m.Run())
}

// TestScripts runs the command's specification, testdata/*.txtar, each script
// against a host of the mission's cluster in memory. With -update it writes the
// expected outputs anew.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata",
		UpdateScripts: os.Getenv("LVSDR_TEST_UPDATE") == "1",
		Setup: func(env *testscript.Env) error {
			env.Values["stage"] = newStage(env.WorkDir)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"lvsdr":  scriptLvsdr,
			"status": scriptStatus,
			"host":   scriptHost,
			"world":  scriptWorld,
			"dump":   scriptDump,
			"etc":    scriptEtc,
			"given":  scriptGiven,
			"input":  scriptInput,
		},
	})
}

// stage is the host of one script, and what goes wrong on it.
type stage struct {
	world *lvsdrtest.World
	sys   *system
	exit  int
	stdin string // what the next command reads
	// interruptAfter is how many sysctls are set until a signal comes, -1: none.
	interruptAfter int
	unlock         func()
	// interruptDrain has a signal come while a drain looks at the connections.
	interruptDrain bool
	loose          map[string]string // who else may write a file
	stdout         io.Writer         // in place of the script's
	looks          int               // after how many looks of status a signal comes, 0: none
	cancel         context.CancelFunc
}

func newStage(dir string) *stage {
	st := &stage{interruptAfter: -1}
	st.sys = &system{
		dir:     dir,
		program: "/usr/bin/lvsdr",
		getenv:  func(string) string { return "" },
		height:  func() int { return 0 },
		readFile: func(name string) ([]byte, error) {
			if strings.HasPrefix(name, dir) {
				return readRegular(name)
			}
			return st.sys.host().Files.ReadFile(name)
		},
		rewriteFile:  func(name string, data []byte) error { return st.sys.host().Files.WriteFile(name, data, 0o644) },
		readInput:    func() ([]byte, error) { return readBounded(strings.NewReader(st.stdin), "standard input") },
		glob:         filepath.Glob,
		hostname:     func() string { return "dev-1.example.org" },
		capabilities: func() (uint64, error) { return ^uint64(0), nil },
		writable:     func(string) error { return nil },
		settle:       func(context.Context) bool { return true },
		writers:      func(name string) string { return st.loose[name] },
		fleeting:     []string{"/run"}, // the scripts have their files below /tmp
		waiting:      host.Waiting{Patience: 50 * time.Millisecond, Silence: time.Millisecond},
	}
	st.enter(lvsdrtest.Director(strings.Split(strings.TrimSpace(lvsdrtest.HealthyLAN()), "\n")...))
	return st
}

func (st *stage) enter(w *lvsdrtest.World) {
	st.world = w
	h := *w.Host()
	if err := h.Files.WriteFile(st.sys.program, nil, 0o755); err != nil {
		panic(err) // a host in memory fails only when it is told to
	}
	h.Sysctl = &signalling{Sysctl: h.Sysctl, stage: st}
	h.Observer = drainWatcher{h.Observer, st}
	st.sys.host = func() *host.Host { return &h }
}

// signalling is a Sysctl during whose use a signal comes.
type signalling struct {
	host.Sysctl
	stage *stage
}

// drainWatcher is an Observer during whose use a signal comes, while a real server is
// idle.
type drainWatcher struct {
	host.Observer
	stage *stage
}

func (o drainWatcher) Connections(ctx context.Context) ([]ipvs.Connection, error) {
	all, err := o.Observer.Connections(ctx)
	if o.stage.interruptDrain && strings.Contains(o.stage.world.Dump(), " -g -w 0\n") {
		time.AfterFunc(20*time.Millisecond, o.stage.cancel) // the drain waits by then
	}
	return all, err
}

func (s *signalling) Set(key, value string) error {
	if s.stage.interruptAfter == 0 {
		s.stage.cancel()
	}
	s.stage.interruptAfter--
	return s.Sysctl.Set(key, value)
}

// unwritable is a stdout that fails so.
type unwritable struct{ error }

func (u unwritable) Write([]byte) (int, error) { return 0, u.error }

// lookWatcher is a table during whose reading a signal comes.
type lookWatcher struct {
	host.IPVS
	stage *stage
}

func (w lookWatcher) Services(ctx context.Context, d ipvs.Detail) ([]ipvs.Service, error) {
	if w.stage.looks--; w.stage.looks == -1 {
		w.stage.cancel()
	}
	return w.IPVS.Services(ctx, d)
}

func theStage(ts *testscript.TestScript) *stage { return ts.Value("stage").(*stage) }

// scriptLvsdr is "lvsdr ARGUMENT…". A script that expects failure says which with
// "status N" next.
func scriptLvsdr(ts *testscript.TestScript, neg bool, args []string) {
	st := theStage(ts)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	st.cancel = cancel
	stdout := ts.Stdout()
	if st.stdout != nil {
		stdout = st.stdout
	}
	st.exit = run(ctx, args, st.sys, stdout, ts.Stderr())
	if unlock, err := st.sys.host().Files.Lock(host.LockFile); err == nil {
		unlock()
	} else if st.unlock == nil {
		ts.Fatalf("the lock is left over: %v", err)
	}
	if failed := st.exit != exitOK; failed != neg {
		ts.Fatalf("exit status %d", st.exit)
	}
}

// scriptInput is "input FILE": what the next commands read from standard input.
func scriptInput(ts *testscript.TestScript, neg bool, args []string) {
	theStage(ts).stdin = ts.ReadFile(args[0])
}

func scriptStatus(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := theStage(ts).exit; got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// scriptHost is "host director|realserver|client|stranger": the script goes on on a
// fresh one, whose LAN has the other hosts of the cluster, set up and serving.
func scriptHost(ts *testscript.TestScript, neg bool, args []string) {
	makers := map[string]func(...string) *lvsdrtest.World{
		cluster.DirectorRole: lvsdrtest.Director, cluster.RealServerRole: lvsdrtest.RealServer, cluster.ClientRole: lvsdrtest.Client,
		"stranger": func(...string) *lvsdrtest.World { return lvsdrtest.New() },
	}
	commands := strings.Split(strings.TrimSpace(lvsdrtest.HealthyLAN()), "\n")
	if args[0] == cluster.RealServerRole {
		commands = append(commands, "listen tcp [::]:80 nginx[100]")
	}
	theStage(ts).enter(makers[args[0]](commands...))
}

// scriptWorld is "world COMMAND…": somebody else's command on the host.
func scriptWorld(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(theStage(ts).world.Run(strings.Join(args, " ")))
}

// scriptDump is "dump [PREFIX…]": it prints the whole host, without the lines
// that begin so.
func scriptDump(ts *testscript.TestScript, neg bool, args []string) {
lines:
	for line := range strings.Lines(theStage(ts).world.Dump()) {
		for _, prefix := range args {
			if strings.HasPrefix(line, prefix) {
				continue lines
			}
		}
		_, err := ts.Stdout().Write([]byte(line))
		ts.Check(err)
	}
}

// scriptEtc is "etc FILE NAME": the script's file FILE is NAME on the host.
func scriptEtc(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(theStage(ts).world.Host().Files.WriteFile(args[1], []byte(ts.ReadFile(args[0])), 0o644))
}

// scriptGiven is "given TROUBLE [N]", "! given TROUBLE" ends it.
func scriptGiven(ts *testscript.TestScript, neg bool, args []string) {
	st := theStage(ts)
	switch args[0] {
	case "systemd":
		if neg {
			st.sys.systemd = nil
			return
		}
		st.sys.systemd = &manager{stage: st}
	case "no-ipvs":
		st.world.WithoutIPVS()
	case "no-keepalived":
		st.world.WithoutKeepalived()
	case "keepalived":
		st.world.WithKeepalived(args[1])
	case "failing":
		if neg {
			st.world.Fail(args[1], nil)
			return
		}
		st.world.Fail(args[1], errors.New("the kernel does not say"))
	case "no-rights":
		have := uint64(0)
		if neg {
			have = ^have
		}
		st.sys.capabilities = func() (uint64, error) { return have, nil }
	case "drain-signal":
		st.interruptDrain = !neg
	case "watched":
		st.sys.watched, st.sys.silence = !neg, time.Minute
	case "terminal":
		st.sys.terminal = !neg
	case "no-color":
		st.sys.getenv = func(key string) string { return map[string]string{"NO_COLOR": "1"}[key] }
	case "read-only":
		st.sys.writable = func(dir string) error {
			if !neg && strings.HasPrefix(dir, args[1]) {
				return errors.New("read-only file system")
			}
			return nil
		}
	case "root":
		st.sys.root = !neg
	case "loose":
		st.loose = nil
		if !neg {
			st.loose = map[string]string{args[1]: "others may write " + args[1]}
		}
	case "full":
		st.stdout = nil
		if !neg {
			st.stdout = unwritable{errors.New("no space left on device")}
		}
	case "closed-pipe":
		st.stdout = nil
		if !neg {
			st.stdout = unwritable{&fs.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.EPIPE}}
		}
	case "looks": // of the commands on this host from now on
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		st.looks = n
		h := *st.sys.host()
		if _, ok := h.IPVS.(lookWatcher); !ok {
			h.IPVS = lookWatcher{h.IPVS, st}
		}
		st.sys.host = func() *host.Host { return &h }
	case "height":
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		st.sys.height = func() int { return n }
	case "width":
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		st.sys.width = n
	case "signal":
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		st.interruptAfter = n
	case "another-lvsdr":
		if neg {
			st.unlock()
			st.unlock = nil
			return
		}
		unlock, err := st.sys.host().Files.Lock(host.LockFile)
		ts.Check(err)
		st.unlock = unlock
	default:
		ts.Fatalf("unknown trouble %q", args[0])
	}
}

// manager is a systemd on the host in memory. Its state stands in a file there.
type manager struct{ stage *stage }

func (m *manager) Running() bool { return true }

func (m *manager) note(word string) error {
	files := m.stage.world.Host().Files
	log, _ := files.ReadFile(managerLog)
	return files.WriteFile(managerLog, append(log, word+"\n"...), 0o644)
}

const managerLog = "/run/systemd.log"

func (m *manager) Reload(context.Context) error { return m.note("reload") }

func (m *manager) Enable(_ context.Context, unit string) error {
	const dir = "/etc/systemd/system/"
	if err := m.stage.world.Host().Files.Symlink(dir+unit, dir+"multi-user.target.wants/"+unit); err != nil {
		return err
	}
	return m.note("enable " + unit)
}

// Start runs set-up once more, as the unit does: the lock must be free.
func (m *manager) Start(_ context.Context, unit string) error {
	unlock, err := m.stage.sys.host().Files.Lock(host.LockFile)
	if err != nil {
		return err
	}
	unlock()
	return m.note("start " + unit)
}

func (m *manager) Stop(_ context.Context, unit string) error { return m.note("stop " + unit) }
