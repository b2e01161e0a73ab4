//go:build linux

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestRedirectFlags(t *testing.T) {
	args := []string{
		"/tmp/x.test", "-test.v=true", "-test.outputdir=/w", "-test.coverprofile=c.out",
		"-test.cpuprofile=/abs/cpu", "-test.testlogfile=/b/testlog.txt", "-test.trace=", "-other=x",
	}
	got, back := redirectFlags(args, "/job")
	want := []string{
		"/tmp/x.test", "-test.v=true", "-test.outputdir=/job", "-test.coverprofile=/job/test.coverprofile",
		"-test.cpuprofile=/job/test.cpuprofile", "-test.testlogfile=/job/test.testlogfile", "-test.trace=", "-other=x",
	}
	if !slices.Equal(got, want) {
		t.Errorf("arguments %q", got)
	}
	wantBack := []returning{
		{"/job/test.coverprofile", "/w/c.out"}, {"/job/test.cpuprofile", "/abs/cpu"},
		{"/job/test.testlogfile", "/b/testlog.txt"},
	}
	if !slices.Equal(back, wantBack) {
		t.Errorf("files that come back: %q", back)
	}
	if args[3] != "-test.coverprofile=c.out" {
		t.Error("the caller's arguments changed")
	}
}

func TestRedirectCoverDir(t *testing.T) {
	args, env := []string{"x", "-test.gocoverdir=/a"}, []string{"A=b", "GOCOVERDIR=/c"}
	back := redirectCoverDir(args, env, "/job")
	if args[1] != "-test.gocoverdir=/job/cover0" || env[1] != "GOCOVERDIR=/job/cover1" {
		t.Errorf("%q %q", args, env)
	}
	if want := []returning{{"/job/cover0", "/a"}, {"/job/cover1", "/c"}}; !slices.Equal(back, want) {
		t.Errorf("folders that come back: %q", back)
	}
}

func TestGuestEnv(t *testing.T) {
	got := guestEnv([]string{"A=b", "LVSDR_TEST_REQUIRE=guest", "PATH=/x", "LVSDR_UML=k"})
	want := []string{"A=b", "PATH=/x:/usr/sbin:/sbin", "LVSDR_TEST_GUEST=1", "LVSDR_TEST_REQUIRE=guest,netns,ipvs,iptables"}
	if !slices.Equal(got, want) {
		t.Errorf("environment %q", got)
	}
}

func TestBringBack(t *testing.T) {
	in, out := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(in, "f"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, r := range []returning{{filepath.Join(in, "absent"), "/nowhere"}, {in, out}} {
		if err := r.bringBack(); err != nil {
			t.Error(err)
		}
	}
	if data, err := os.ReadFile(filepath.Join(out, "f")); err != nil || string(data) != "x" {
		t.Errorf("brought back %q, %v", data, err)
	}
}

// The whole of it, on a real guest.
func TestGuest(t *testing.T) {
	umlexec := buildForGuest(t)
	const secret = "/etc/umlexec-test"
	for _, tt := range []struct {
		name, script, timeout string
		exit                  int
		stdout, stderr        string
	}{
		{
			name:   "exit status and both outputs",
			script: `echo out; echo err >&2; id -u; echo x > ` + secret + `; modprobe ip_vs; head -c 17 /proc/net/ip_vs; exit 7`,
			exit:   7, stdout: "out\n0\nIP Virtual Server", stderr: "err\n",
		},
		{name: "signal", script: "kill -SEGV $$", exit: 139, stderr: "ended by signal: segmentation fault"},
		{name: "time-out", script: "sleep 1000", timeout: "1s", exit: 124, stderr: "did not end in 1s"},
		{name: "panic", script: "echo c > /proc/sysrq-trigger; sleep 1000", exit: 125, stderr: "Kernel panic"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.Command(umlexec, "sh", "-c", tt.script)
			cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir(), "LVSDR_GUEST_TIMEOUT="+tt.timeout)
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			err := cmd.Run()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != tt.exit {
				t.Errorf("ended with %v, want status %d", err, tt.exit)
			}
			if stdout.String() != tt.stdout || !strings.Contains(stderr.String(), tt.stderr) {
				t.Errorf("stdout %q, stderr %q", stdout.String(), stderr.String())
			}
			if _, err := os.Stat(secret); err == nil {
				t.Errorf("the guest wrote the machine's %s", secret)
			}
		})
	}
}

func buildForGuest(t *testing.T) string {
	t.Helper()
	if os.Getenv("LVSDR_TEST_GUEST") == "1" {
		t.Skip("this is a guest")
	}
	if _, _, err := findKernel(); err != nil {
		if slices.Contains(strings.Split(os.Getenv("LVSDR_TEST_REQUIRE"), ","), "uml") {
			t.Fatal("LVSDR_TEST_REQUIRE names uml: ", err)
		}
		t.Skip("needs uml: ", err)
	}
	name := filepath.Join(t.TempDir(), "umlexec")
	cmd := exec.Command("go", "build", "-o", name, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return name
}

// A number that is no open file, and a kernel that has no such card, are told before a
// guest is started.
func TestInherited(t *testing.T) {
	fd, err := syscall.Dup(0)
	if err != nil {
		t.Fatal(err)
	}
	open := strconv.Itoa(fd)
	for _, tt := range []struct {
		number, kernel string
		fails          bool
	}{
		{"", "", false}, {open, "", true}, {"x", "/kernel", true}, {"-1", "/kernel", true}, {"60000", "/kernel", true}, {open, "/kernel", false},
	} {
		t.Setenv("LVSDR_QEMU_KERNEL", tt.kernel)
		f, err := inherited(tt.number)
		if (err != nil) != tt.fails || (f != nil) != (tt.number == open && !tt.fails) {
			t.Errorf("%q with the kernel %q: %v, %v", tt.number, tt.kernel, f, err)
		}
	}
}
