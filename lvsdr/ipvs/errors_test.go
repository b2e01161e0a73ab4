package ipvs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"
)

func TestErrorIs(t *testing.T) {
	for errno, target := range map[syscall.Errno]error{
		syscall.EEXIST: fs.ErrExist,
		syscall.ENOENT: fs.ErrNotExist,
		syscall.ESRCH:  fs.ErrNotExist,
		syscall.EPERM:  fs.ErrPermission,
		syscall.EACCES: fs.ErrPermission,
	} {
		err := fmt.Errorf("wrapped: %w", &Error{Errno: errno})
		if !errors.Is(err, target) || !errors.Is(err, errno) {
			t.Errorf("%v is not %v", errno, target)
		}
	}
	absent := fs.ErrNotExist
	if !errors.Is(ErrNoIPVS, absent) || errors.Is(absent, ErrNoIPVS) {
		t.Error("ErrNoIPVS is a kind of fs.ErrNotExist, not the reverse")
	}
}

func TestApplyError(t *testing.T) {
	service := &Service{ID: web, Scheduler: "wrr"}
	add := Command{AddDestination, service, &Destination{Addr: rip, Port: 80}}
	exists := &CommandError{3, add, &Error{Errno: syscall.EEXIST}}
	err := error(&ApplyError{
		Refused: []*CommandError{exists,
			{5, Command{Op: SetService, Service: service}, &Error{Errno: syscall.ENOENT}},
			{6, add, &Error{Errno: syscall.ESRCH, Message: "x"}}},
		Attempted: 128, Err: context.Canceled,
	})
	var first *CommandError
	if !errors.As(err, &first) || first != exists {
		t.Errorf("the first refusal is %v", first)
	}
	if !errors.Is(err, fs.ErrExist) || !errors.Is(err, context.Canceled) {
		t.Error("a cause is not reachable")
	}
	const want = "ipvs: command 3 (add real server 10.10.10.31:80 of tcp 10.10.10.22:80): file exists (and 2 more); " +
		"broken off after 128 commands: context canceled"
	if err.Error() != want {
		t.Errorf("got  %v\nwant %v", err, want)
	}
	for i, want := range []string{
		"ipvs: command 5 (set service tcp 10.10.10.22:80): no such file or directory (no such scheduler or persistence engine: load the module ip_vs_wrr)",
		"ipvs: command 6 (add real server 10.10.10.31:80 of tcp 10.10.10.22:80): no such process: x (there is no such service)",
	} {
		if got := err.(*ApplyError).Refused[i+1].Error(); got != want {
			t.Errorf("got  %v\nwant %v", got, want)
		}
	}
}
