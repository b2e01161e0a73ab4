package cluster

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	// maxAuth is what VRRP version 2 has room for (RFC 2338 section 5.3.10).
	maxAuth = 8
	// minHMAC and maxHMAC are how long a key of auth_hmac is, in bytes (keepalived's
	// documentation of it).
	minHMAC, maxHMAC = 32, 64
	// minAdvert and maxAdvert bound the interval; version 3 counts hundredths of a second
	// in 12 bits (RFC 5798 section 5.2.7).
	minAdvert = 100 * time.Millisecond
	maxAdvert = 40 * time.Second
)

// vrrp checks how the VIPs move between the directors.
func (v *validation) vrrp(c Config) {
	if c.VRRP == nil {
		return
	}
	if len(c.Directors) < 2 {
		v.add("vrrp", "", "VRRP moves the VIPs from one director to another: list two or more under directors, each with its address")
	}
	if id := or(c.VRRP.RouterID, defaultRouterID); id < 1 || id > 255 {
		v.add("vrrp.routerId", strconv.Itoa(id), "a virtual router ID is 1 to 255, and no other router's on this LAN")
	}
	if reason := wrongInterface(c.VRRP.Interface); reason != "" {
		v.add("vrrp.interface", c.VRRP.Interface, reason)
	}
	if reason := wrongAdvert(time.Duration(c.VRRP.Interval)); reason != "" {
		v.add("vrrp.interval", c.VRRP.Interval.String(), reason)
	}
	v.auth(c)
	v.hmac(c)
	v.unicast(c)
	v.priorities(c)
}

func wrongAdvert(d time.Duration) string {
	switch {
	case d == 0:
		return ""
	case d < minAdvert || d > maxAdvert:
		return fmt.Sprintf("the directors advertise every %v to %v, such as 1s", minAdvert, maxAdvert)
	case d%(10*time.Millisecond) != 0:
		return "VRRP counts hundredths of a second: 1s, 250ms"
	}
	return ""
}

// hidden stands for a secret in an error, which ends in logs.
func hidden(secret string) string { return strings.Repeat("*", min(len(secret), maxAuth+1)) }

// auth refuses a password that keepalived would cut or leave out.
func (v *validation) auth(c Config) {
	text := c.VRRP.Auth
	if text == "" {
		return
	}
	hidden := hidden(text)
	const without = "VRRP version 3 has no authentication: leave auth out (it travels in clear text in any case)"
	switch {
	case len(text) > maxAuth:
		v.add("vrrp.auth", hidden, "VRRP has room for 8 characters, which travel in clear text: longer ones would be cut; authHmac has a key that does not travel, with keepalived 2.4.2")
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"'\#!{}$~`, r) }):
		v.add("vrrp.auth", hidden, `letters, digits and such are wanted, no blanks and none of "'\#!{}$~`)
	case time.Duration(c.VRRP.Interval)%time.Second != 0:
		v.add("vrrp.auth", hidden, "an interval of no whole seconds takes VRRP version 3: "+without)
	}
	for i, s := range c.Services {
		if s.VIP.Is6() {
			v.add("vrrp.auth", hidden, fmt.Sprintf("services[%d].vip %s is IPv6: ", i, s.VIP)+without)
			return
		}
	}
}

// HMACKey tells whether a text is a key of [VRRP.AuthHMAC].
func HMACKey(text string) bool {
	key, err := hex.DecodeString(text)
	return err == nil && len(key) >= minHMAC && len(key) <= maxHMAC
}

// hmac refuses what is no key, or is one beside a password, which keepalived leaves out.
func (v *validation) hmac(c Config) {
	text := c.VRRP.AuthHMAC
	hidden := hidden(text)
	switch {
	case text == "":
	case !HMACKey(text):
		v.add("vrrp.authHmac", hidden, "a key of 32 to 64 bytes in hexadecimal is wanted, the same on all directors: openssl rand -hex 32")
	case c.VRRP.Auth != "":
		v.add("vrrp.authHmac", hidden, "auth is given too, and keepalived takes one of them: leave out auth, which travels in clear text")
	}
}

// unicast refuses addresses between which a VIP cannot be advertised.
func (v *validation) unicast(c Config) {
	if !c.VRRP.Unicast {
		return
	}
	for i, d := range c.Directors {
		for _, s := range c.Services {
			if d.Address.IsValid() && s.VIP.IsValid() && d.Address.Is4() != s.VIP.Is4() {
				v.add(fmt.Sprintf("directors[%d].address", i), d.Address.String(),
					fmt.Sprintf("the VIP %s is of the other address family, and with unicast is advertised between the directors' addresses: leave unicast out, or describe its family apart", s.VIP))
				return
			}
		}
	}
}

// priorities refuses two that are the same: both directors would be master for a while.
func (v *validation) priorities(c Config) {
	before := map[int]int{}
	for i, p := range c.Priorities() {
		if at, ok := before[p]; ok {
			v.add(fmt.Sprintf("directors[%d].priority", i), strconv.Itoa(p),
				fmt.Sprintf("is that of directors[%d] too: with VRRP each director needs another one, the highest is the master", at))
			continue
		}
		before[p] = i
	}
}
