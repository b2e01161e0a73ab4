package doctor_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
)

func TestSysctlConflicts(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string
		keys  map[string]string
		want  []string
	}{
		{name: "none"},
		{
			name:  "an earlier file",
			files: map[string]string{"/etc/sysctl.d/99-local.conf": "net.ipv4.ip_forward = 0\n"},
		},
		{
			name:  "a later file",
			files: map[string]string{"/etc/sysctl.d/zzz.conf": "# mine\n\n-net/ipv4/ip_forward=0\n"},
			want:  []string{"/etc/sysctl.d/zzz.conf:3 sets net.ipv4.ip_forward to 0, not 1, at boot"},
		},
		{
			name:  "a later file in another folder",
			files: map[string]string{"/usr/lib/sysctl.d/zzz.conf": "net.ipv4.conf.all.arp_announce=1"},
			want:  []string{"/usr/lib/sysctl.d/zzz.conf:1 sets net.ipv4.conf.all.arp_announce to 1, not 2, at boot"},
		},
		{
			name: "a later file that is hidden",
			files: map[string]string{
				"/usr/lib/sysctl.d/zzz.conf": "net.ipv4.ip_forward=0",
				"/etc/sysctl.d/zzz.conf":     "",
				"/etc/sysctl.d/zzzz":         "net.ipv4.ip_forward=0", // not .conf
			},
		},
		{
			name:  "a later value that serves",
			files: map[string]string{"/etc/sysctl.d/zzz.conf": "net.ipv4.conf.all.arp_ignore=2\nnet.ipv4.ip_forward=1"},
		},
		{
			name: "the last line counts",
			files: map[string]string{
				"/etc/sysctl.d/zzz.conf":  "net.ipv4.ip_forward=0",
				"/etc/sysctl.d/zzzz.conf": "net.ipv4.ip_forward=1",
			},
		},
		{
			name:  "the other name of ip_forward",
			files: map[string]string{"/run/sysctl.d/zzz.conf": "net.ipv4.conf.all.forwarding=0"},
			want:  []string{"/run/sysctl.d/zzz.conf:1 sets net.ipv4.ip_forward to 0, not 1, at boot"},
		},
		{
			name:  "procps' last file",
			files: map[string]string{"/etc/sysctl.conf": "net.ipv4.ip_forward=0"},
			want: []string{`/etc/sysctl.conf:1 sets net.ipv4.ip_forward to 0, not 1, ` +
				`whenever "sysctl --system" runs (at boot where systemd does not)`},
		},
		{
			name:  "a glob yields to our keys, but not on interfaces",
			files: map[string]string{"/etc/sysctl.d/zzz.conf": "net.ipv4.conf.*.arp_ignore = 3\n-net.ipv4.conf.default.arp_ignore\n"},
			want: []string{
				"/etc/sysctl.d/zzz.conf:1 sets net.ipv4.conf.eth0.arp_ignore to 3, not 1, at boot",
				"/etc/sysctl.d/zzz.conf:1 sets net.ipv4.conf.eth0/100.arp_ignore to 3, not 1, at boot",
			},
		},
		{
			name:  "an interface cannot weaken with less",
			files: map[string]string{"/etc/sysctl.d/zzz.conf": "net.ipv4.conf.eth0.arp_ignore = 0\nnet.ipv4.conf.*.arp_announce = 1\n"},
		},
		{
			name: "live values of interfaces",
			keys: map[string]string{
				"net/ipv4/conf/eth0/arp_ignore":       "2",
				"net/ipv4/conf/eth0.100/arp_ignore":   "4",
				"net/ipv4/conf/default/arp_announce":  "3",
				"net/ipv4/conf/eth0.100/arp_announce": "1",
			},
			want: []string{
				"net.ipv4.conf.eth0/100.arp_ignore is 4 on the running kernel and defeats 1",
				"net.ipv4.conf.default.arp_announce is 3 on the running kernel and defeats 2",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := lvsdrtest.RealServer("ip link add eth0.100 link eth0 type vlan id 100")
			h := w.Host()
			role, err := lvsdr.RealServer(cluster.Config{Services: []cluster.Service{{VIP: netip.MustParseAddr("10.10.10.22")}}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := role.Up(t.Context(), h); err != nil {
				t.Fatal(err)
			}
			for name, content := range tt.files {
				if err := h.Files.WriteFile(name, []byte(content), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			for key, value := range tt.keys {
				if err := h.Sysctl.Set(key, value); err != nil {
					t.Fatal(err)
				}
			}
			got, err := doctor.SysctlConflicts(t.Context(), h, cluster.RealServerRole)
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for _, conflict := range got {
				lines = append(lines, conflict.String())
			}
			if !slices.Equal(lines, tt.want) {
				t.Errorf("got %q, want %q", lines, tt.want)
			}
		})
	}
}

func TestSysctlConflictsOfNoRole(t *testing.T) {
	h := lvsdrtest.RealServer().Host()
	if err := h.Files.WriteFile("/etc/sysctl.d/zzz.conf", []byte("net.ipv4.ip_forward=0"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := doctor.SysctlConflicts(t.Context(), h, cluster.DirectorRole); len(got) > 0 || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
}
