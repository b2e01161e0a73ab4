//go:build linux

package fleet_test

import (
	"context"
	"regexp"
	"testing"
	"time"
)

// closed is a firewall as people write it: SSH, what belongs to a connection, and
// nothing else.
const closed = `#!/usr/sbin/nft -f
flush ruleset
table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		iif lo accept
		ct state invalid drop
		ct state established,related accept
		icmp type echo-request accept
		tcp dport 22 accept
	}
}
`

// The opening in nftables' loaded rules comes back by itself when they are loaded
// anew.
func TestNftables(t *testing.T) {
	rows(t, "nftables", func(s *site) {
		must(s.T, s.server.WriteFile("/etc/nftables.conf", []byte(closed), 0o755))
		s.on()
		before := s.snapshot()
		s.unserved("before set-up")
		s.run("lvsdr setup realserver --vip 10.10.10.22")
		s.served("after set-up")
		s.through("systemctl reload nftables")
		s.nothingDue("after a reload of nftables")
		s.hearsOfSizes("after a reload of nftables")
		s.gap("systemctl reload nftables")
		s.reconfigured()
		must(s.T, s.server.Reboot(s.Context()))
		s.served("after a power cycle")
		must(s.T, s.powerCut())
		s.served("after a power cut")
		s.hearsOfSizes("after a power cut")
		s.run("lvsdr doctor realserver")
		s.run("lvsdr teardown realserver")
		s.unserved("after teardown")
		s.same(before, s.snapshot())
	})
}

// hearsOfSizes fails when the rules do not let in what routers tell the VIP of the size of
// packets.
func (s *site) hearsOfSizes(when string) {
	s.Helper()
	rules := s.run("nft list chain inet filter input")
	if !regexp.MustCompile(`(?m)^.*(10\.10\.10\.22.*icmp|icmp.*10\.10\.10\.22).*accept`).MatchString(rules) {
		s.Errorf("%s: no opening for what routers say:\n%s", when, rules)
	}
}

// gap runs a line on the server and tells for how long no connection could be made:
// one is tried every few milliseconds, each for 100 ms.
func (s *site) gap(line string) {
	s.Helper()
	ctx, cancel := context.WithCancel(s.Context())
	longest := make(chan time.Duration)
	go func() {
		last, gap := time.Now(), time.Duration(0)
		for ctx.Err() == nil {
			try, stop := context.WithTimeout(ctx, 100*time.Millisecond)
			if conn, err := s.client.Dial(try, "tcp", vip.String()+":80"); err == nil {
				conn.Close()
				gap, last = max(gap, time.Since(last)), time.Now()
			}
			stop()
			time.Sleep(5 * time.Millisecond)
		}
		longest <- gap
	}()
	s.run(line)
	time.Sleep(time.Second)
	cancel()
	s.Logf("%s: no connection for %.2f s at the most", line, (<-longest).Seconds())
}
