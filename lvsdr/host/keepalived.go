package host

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// KeepalivedConf is the configuration of the keepalived that lvsdr runs, beside which
// the numbers of its processes are. Like a ledger it goes with the running kernel, whose
// table it is about; /etc/keepalived is whoever's.
const KeepalivedConf = "/run/lvsdr/keepalived.conf"

// Keepalived is the keepalived that lvsdr runs itself, with [KeepalivedConf]. It keeps
// the table as it is when it ends (--dont-release-ipvs), and takes over what it finds
// there when it starts.
type Keepalived interface {
	// Version is what the program says of itself (keepalived --version). It fails with
	// fs.ErrNotExist when it is not installed.
	Version(ctx context.Context) (string, error)
	// Test has keepalived read a configuration (keepalived -t). It fails with
	// fs.ErrNotExist when the program is not installed, and with a [*KeepalivedError]
	// when it does not like what it reads.
	Test(ctx context.Context, config []byte) error
	// Script fails where the program of a check could not be run as that user, or where
	// others than root may write it or replace it. Test says nothing of all that.
	Script(ctx context.Context, program, user string) error
	// Running tells whether lvsdr's runs.
	Running(ctx context.Context) (bool, error)
	// Held are the real servers that the running one believes to be in the table: what it
	// has put in or found there, and not taken out since. It never reads the table again.
	Held(ctx context.Context) ([]HeldServer, error)
	// Start starts it, and returns when it looks after the table.
	Start(ctx context.Context) error
	// Stop stops it, also one that was killed and that systemd is about to start again,
	// and returns when it has ended; none there is no error.
	Stop(ctx context.Context) error
}

// A HeldServer is a real server of a service, as keepalived knows them.
type HeldServer struct {
	Service ipvs.ID
	Server  netip.AddrPort
	// Inhibited: it is there with weight 0, because its check fails, or because a sorry
	// server stands in (inhibit_on_failure).
	Inhibited bool
}

// VRRPConf is the configuration of the keepalived that moves the VIPs between the
// directors, another one than [KeepalivedConf]'s: that one is ended for each change of
// the table, and a director that ends gives the VIPs away.
const VRRPConf = "/run/lvsdr/vrrp.conf"

// VRRP is the keepalived that lvsdr runs to move the VIPs, with [VRRPConf]. It brings them
// to this host when it is the master, and takes them away when it is not, when it ends,
// and when it starts.
type VRRP interface {
	// Version is [Keepalived]'s.
	Version(ctx context.Context) (string, error)
	// Test is [Keepalived]'s.
	Test(ctx context.Context, config []byte) error
	// Running tells whether it runs.
	Running(ctx context.Context) (bool, error)
	// Start starts it, and returns when it listens to the other directors.
	Start(ctx context.Context) error
	// Reload has it read its configuration anew. It stays what it is, master or backup.
	Reload(ctx context.Context) error
	// Stop stops it, also one that was killed and that systemd is about to start again,
	// and returns when it has ended and the VIPs are given up; none there is no error.
	Stop(ctx context.Context) error
	// Quiet has the host leave unanswered what comes over TCP to these addresses and
	// ports, its own or not, and IPVS does not take: a reset would end a connection that
	// another director is about to tell of. Where that cannot be had it answers as ever.
	// Answer ends it, after a while, and returns then.
	Quiet(ctx context.Context, at []netip.AddrPort) (answer func(after time.Duration), err error)
}

// A KeepalivedError is what keepalived -t says against a configuration.
type KeepalivedError struct {
	Lines []string // of its output
}

func (e *KeepalivedError) Error() string {
	return "keepalived refuses the configuration: " + strings.Join(e.Lines, "; ")
}
