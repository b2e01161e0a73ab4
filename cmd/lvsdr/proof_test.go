package main

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

// finds is a check that finds this.
func finds(code string, preflight bool, problems ...doctor.Problem) *doctor.Check {
	return &doctor.Check{Code: code, Title: "it holds", Why: "it matters", Preflight: preflight,
		Run: func(context.Context, *doctor.Exam) ([]doctor.Problem, error) { return problems, nil }}
}

func setUpWith(checks ...*doctor.Check) (*session, *patient) {
	sys := newStage("/").sys
	server := cluster.RealServer{Address: netip.MustParseAddr("10.10.10.31")}
	config := cluster.Config{Services: []cluster.Service{{VIP: netip.MustParseAddr("10.10.10.22"), RealServers: []cluster.RealServer{server}}}}
	role, err := lvsdr.Director(config)
	if err != nil {
		panic(err) // the test is wrong
	}
	role.Steps, role.Checks = nil, checks
	return &session{output: &output{stdout: io.Discard, stderr: io.Discard}, sys: sys, report: &report{}},
		&patient{host: sys.host(), role: role, src: source{Config: config}}
}

// What set-up cannot mend stops it before it begins, unless another host's set-up
// mends it, or it is ignored.
func TestPreflight(t *testing.T) {
	there := doctor.Problem{What: "there", On: netip.MustParseAddr("10.10.10.31")}
	stranger := doctor.Problem{What: "a stranger's", On: netip.MustParseAddr("10.10.10.77")}
	for _, test := range []struct {
		name    string
		check   *doctor.Check
		ignored string
		want    string
	}{
		{"holds", finds("kernel", true), "", ""},
		{"fails", finds("kernel", true, doctor.Problem{What: "no"}), "", "nothing was changed, because of kernel"},
		{"is no preflight check", finds("kernel", false, doctor.Problem{What: "no"}), "", ""},
		{"is ignored", finds("kernel", true, doctor.Problem{What: "no"}), "kernel", ""},
		{"is mended on a real server", finds("kernel", true, there), "", ""},
		{"is a stranger's", finds("kernel", true, stranger), "", "nothing was changed, because of kernel"},
		{"warns", finds("kernel", true, doctor.Problem{What: "soon", Severity: doctor.Warning}), "", ""},
	} {
		s, p := setUpWith(test.check)
		p.ignored = strings.Fields(test.ignored)
		err := s.preflight(t.Context(), p)
		if got := message(err); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
		if (err != nil) != (len(s.report.Findings) > 0) {
			t.Errorf("%s: %v, and the findings are %v", test.name, err, s.report.Findings)
		}
	}
}

// A set-up whose cluster does not work says so, and what of it is whose.
func TestProof(t *testing.T) {
	there := func(last string) doctor.Problem {
		return doctor.Problem{What: "there", On: netip.MustParseAddr("10.10.10." + last)}
	}
	here := doctor.Problem{What: "here"}
	for _, test := range []struct {
		checks []*doctor.Check
		want   string
	}{
		{[]*doctor.Check{finds("a", false), finds("b", true)}, ""},
		{[]*doctor.Check{finds("a", false, doctor.Problem{What: "soon", Severity: doctor.Warning})}, ""},
		{[]*doctor.Check{finds("a", false, doctor.Problem{What: "who knows", Severity: doctor.Unknown})}, ""},
		{[]*doctor.Check{finds("a", false, here, here), finds("b", false, here)}, "this host is set up, but a, b failed"},
		{[]*doctor.Check{finds("a", false, there("31"), there("32")), finds("b", false, there("31"))},
			"this host is set up, and what is wrong is on other hosts: a failed on 10.10.10.31, 10.10.10.32, b failed on 10.10.10.31"},
		{[]*doctor.Check{finds("a", false, here), finds("b", false, there("31"))},
			"this host is set up, but a failed; and on other hosts: b failed on 10.10.10.31"},
	} {
		s, p := setUpWith(test.checks...)
		if got := message(s.prove(t.Context(), p)); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// A signal ends an exam, and it is no verdict.
func TestExamInterrupted(t *testing.T) {
	s, p := setUpWith(finds("a", false))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.examine(ctx, p); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
}

// On a terminal, what is still running is told after a while, and goes again.
func TestProgress(t *testing.T) {
	told := make(chan string, 100)
	slow := &doctor.Check{Code: "slow", Title: "slow", Run: func(context.Context, *doctor.Exam) ([]doctor.Problem, error) {
		for line := range told {
			if strings.Contains(line, "still looking: slow") {
				return nil, nil
			}
		}
		return nil, nil
	}}
	s, p := setUpWith(slow)
	s.sys.watched, s.sys.silence = true, time.Millisecond
	s.stderr = writerFunc(func(b []byte) (int, error) { told <- string(b); return len(b), nil })
	if _, err := s.examine(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	close(told)
	last := ""
	for line := range told {
		last = line
	}
	if last != "\r\x1b[K" {
		t.Errorf("the last thing written is %q", last)
	}
	s.quiet = true
	e := p.exam()
	s.watch(e)()
	if e.Watch != nil {
		t.Error("quiet, and watched")
	}
	w := &watcher{running: []string{strings.Repeat("x", 100)}}
	if n := len([]rune(w.line())); n > 78 {
		t.Errorf("%d columns", n)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// The command line that a fix repeats is one for a shell, whatever is in it.
func TestShellLine(t *testing.T) {
	words := []string{"lvsdr", "setup", "--config", "/etc/my cluster's.yaml", "--vip", "fd00:10::22", "", "-r", "10.10.10.31=1"}
	want := `lvsdr setup --config '/etc/my cluster'\''s.yaml' --vip fd00:10::22 '' -r 10.10.10.31=1`
	if got := host.ShellLine(words...); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// What is found on the host can be given as flags, when one service is all there is.
func TestFlagsOf(t *testing.T) {
	const line = "--vip 10.10.10.22 --port 80 --port 53/udp --real-server 10.10.10.31=0 --real-server 10.10.10.32=3 " +
		"--scheduler mh --scheduler-flags mh-port --persistence 20s --persistence-netmask 24"
	c, err := parseWords("setup", strings.Fields(line))
	if err != nil {
		t.Fatal(err)
	}
	src, err := parseFlags(c)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(flagsOf(src.Config), " "); got != line {
		t.Errorf("%s\nwant %s", got, line)
	}
	src.Services = append(src.Services, src.Services[0])
	if got := flagsOf(src.Config); got != nil {
		t.Errorf("two services: %q", got)
	}
}
