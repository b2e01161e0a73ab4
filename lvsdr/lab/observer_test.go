//go:build linux

package lab_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// The observer's connections are the kernel's, of both families, templates of
// persistence too, and no other host's.
func TestConnections(t *testing.T) {
	lab.Need(t, lab.Netns, lab.IPVS, lab.Ipvsadm)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	l, err := lab.New(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = l.Director.Run(ctx, "sh", "-ec", `modprobe -a ip_vs_wrr
ip addr add 10.10.10.22/32 dev eth0; ip addr add fd00:10::22/128 dev eth0 nodad preferred_lft 0
ipvsadm -A -t 10.10.10.22:80 -s wrr -p 300; ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.31 -g
ipvsadm -A -t [fd00:10::22]:80 -s wrr; ipvsadm -a -t [fd00:10::22]:80 -r [fd00:10::31]:80 -g
ipvsadm -A -u 10.10.10.22:53 -s wrr; ipvsadm -a -u 10.10.10.22:53 -r 10.10.10.32 -g`)
	if err != nil {
		t.Fatal(err)
	}
	visit := func() {
		for _, to := range []string{"tcp 10.10.10.22:80", "tcp [fd00:10::22]:80", "udp 10.10.10.22:53"} {
			ctx, cancel := context.WithTimeout(ctx, 200*time.Millisecond) // nobody answers: the VIP is on no real server
			c, err := l.Client.Dial(ctx, to[:3], to[4:])
			if err == nil {
				fmt.Fprint(c, "?")
				c.Close()
			}
			cancel()
		}
	}
	director := l.Director.LVS()
	want := []string{
		"tcp SYN_RECV 10.10.10.22:80 10.10.10.31:80 false", "tcp template 10.10.10.22:80 10.10.10.31:80 true",
		"tcp SYN_RECV [fd00:10::22]:80 [fd00:10::31]:80 false", "udp UDP 10.10.10.22:53 10.10.10.32:53 false",
	}
	slices.Sort(want)
	var got []string
	for ctx.Err() == nil && !slices.Equal(got, want) {
		visit() // again, for a slow guest may have been too late
		got = nil
		all, err := director.Observer.Connections(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range all {
			state := c.State
			if c.Template() {
				state = "template"
			}
			if client := netip.MustParseAddr("10.10.10.100"); c.Client.Addr() != client && c.Client.Addr() != netip.MustParseAddr("fd00:10::100") {
				t.Errorf("whose is %+v?", c)
			}
			got = append(got, fmt.Sprint(c.Protocol, " ", state, " ", c.Virtual, " ", c.Server, " ", c.Template()))
		}
		slices.Sort(got)
		got = slices.Compact(got)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	client := l.Client.LVS()
	if all, err := client.Observer.Connections(ctx); err != nil || !slices.Equal(all, []ipvs.Connection(nil)) {
		t.Errorf("on the client: %v, %v", all, err)
	}
}
