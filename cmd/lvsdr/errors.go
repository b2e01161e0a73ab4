package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"sync"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
	"github.com/lvsdr/toolkit/units"
)

// usageError is a mistake on the command line: exit status 2, nothing was touched.
type usageError struct {
	text  string
	hint  string
	cause error
}

func usage(format string, args ...any) *usageError {
	err := fmt.Errorf(format, args...)
	return &usageError{text: err.Error(), cause: err}
}

func (e *usageError) Error() string { return e.text }
func (e *usageError) Unwrap() error { return e.cause }

// hintError is an error that knows what to do about it.
type hintError struct {
	error
	hint string
}

func (e *hintError) Unwrap() error { return e.error }

// exitStatus tells the exit status of an error. A command that finished in spite
// of a signal has no error and is done.
func exitStatus(ctx context.Context, err error) int {
	var wrong *usageError
	var config *cluster.ConfigError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &wrong), errors.As(err, &config):
		return exitUsage
	case ctx.Err() != nil:
		return exitInterrupted
	}
	return exitFailed
}

// hint tells what to do about an error. The library's errors tell what is wrong;
// what to type is said here.
func hint(ctx context.Context, err error, r *report) string {
	text := hintOf(ctx, err, r)
	if r == nil || r.root == "" {
		return text
	}
	return changing().ReplaceAllString(text, "$0 --root "+strings.ReplaceAll(host.ShellWord(r.root), "$", "$$"))
}

// changing are the commands that are about an image too.
var changing = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`lvsdr (setup|plan|teardown)( director| realserver)?`)
})

func hintOf(ctx context.Context, err error, r *report) string {
	var wrong *usageError
	var known *hintError
	switch {
	case errors.As(err, &wrong):
		return wrong.hint
	case errors.As(err, &known):
		return known.hint
	case drainOf(err) != nil:
		return hintDrain(r)
	case ctx.Err() != nil:
		return again(r)
	case errors.Is(err, host.ErrNoIPVS):
		return hintNoIPVS
	case errors.Is(err, step.ErrNoKeepalived):
		return hintNoKeepalived
	case errors.Is(err, step.ErrOldKeepalived):
		return hintOldKeepalived
	case errors.Is(err, step.ErrOtherRole) && r != nil:
		return "if this host is to change its role: lvsdr teardown " + otherRole(r.Role) + ", which ends what it serves in the other one"
	case errors.Is(err, step.ErrMasked) && r != nil:
		return hintMasked(r.Role)
	case errors.Is(err, step.ErrLedgerLost) && r != nil:
		return "nothing was changed; name the VIPs that were set up: lvsdr teardown " + r.Role +
			" --vip ADDR, or take the address away yourself (ip addr del)"
	case errors.Is(err, step.ErrNoEffect):
		return "something else on this host sets it back, or the kernel ignores it; " + again(r)
	case errors.Is(err, fs.ErrPermission):
		return hintRoot
	case r != nil && len(r.Changes) > 0:
		return again(r)
	}
	return ""
}

const (
	hintRoot     = "run it as root: sudo lvsdr …"
	hintRootless = "this is root without these rights, as in a container or a user namespace: " +
		"run it on the host itself, or give the container CAP_NET_ADMIN and CAP_NET_RAW and a network of its own"
	hintNoKeepalived = "nothing was changed; have set-up install it: --install; or do so yourself: apt-get install keepalived (Debian, Ubuntu), dnf install keepalived (Fedora, RHEL); " +
		"or leave out what needs it: engine: keepalived, vrrp"
	hintOldKeepalived = "nothing was changed; install a newer keepalived, from the distribution's backports or its next release, or leave out the keys that are named"
	hintNoIPVS        = "install the kernel package that has the module ip_vs " +
		"(Debian: linux-image-amd64; Ubuntu: linux-modules-extra-$(uname -r); " +
		"Fedora, RHEL: kernel-modules); in a container, run modprobe ip_vs on its host"
)

// asRoot says to nobody who is root to be it.
func (s *session) asRoot(hint string) string {
	if hint == hintRoot && s.sys.root {
		return hintRootless
	}
	return hint
}

// hintMasked is for a unit that an administrator does not want.
func hintMasked(role string) string {
	return "allow it: systemctl unmask " + units.Name(role) + "; or change the running host only: --runtime"
}

// again tells how to go on after a command that was broken off.
func again(r *report) string {
	switch {
	case r == nil || r.DryRun:
		return ""
	case r.teardown:
		return "run the same command again to go on"
	case len(r.Changes) == 0:
		return "nothing was changed"
	}
	return "run the same command again to go on, or give back what was done: lvsdr teardown " + r.Role
}

func otherRole(role string) string {
	if role == cluster.DirectorRole {
		return cluster.RealServerRole
	}
	return cluster.DirectorRole
}
