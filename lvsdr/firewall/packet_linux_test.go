//go:build linux

package firewall_test

import (
	"encoding/binary"
	"os"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// finAnswered sends a FIN of no connection from 10.10.10.99 to port 80 of
// 10.10.10.22 and tells whether the answer to it, a RST, comes back.
func (h *fwHost) finAnswered() bool {
	h.t.Helper()
	answered := false
	h.do(func() {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_TCP)
		if err != nil {
			h.t.Error(err)
			return
		}
		defer unix.Close(fd)
		patience := unix.NsecToTimeval(int64(300 * time.Millisecond))
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience)
		to := &unix.SockaddrInet4{Addr: [4]byte{10, 10, 10, 22}}
		if err := unix.Sendto(fd, fin(), 0, to); err != nil {
			h.t.Error(err)
			return
		}
		buf := make([]byte, 1500)
		for {
			n, _, err := unix.Recvfrom(fd, buf, 0)
			if err != nil {
				return
			}
			if p := buf[:n]; n >= 40 && binary.BigEndian.Uint16(p[20:]) == 80 && p[33]&4 != 0 {
				answered = true
				return
			}
		}
	})
	return answered
}

// fin is a TCP segment (RFC 9293) from 10.10.10.99:5555 to 10.10.10.22:80 with
// FIN and ACK.
func fin() []byte {
	p := make([]byte, 20)
	binary.BigEndian.PutUint16(p, 5555)
	binary.BigEndian.PutUint16(p[2:], 80)
	binary.BigEndian.PutUint32(p[4:], 1)
	binary.BigEndian.PutUint32(p[8:], 1)
	p[12], p[13] = 5<<4, 1|16
	binary.BigEndian.PutUint16(p[14:], 1000)
	pseudo := append([]byte{10, 10, 10, 99, 10, 10, 10, 22, 0, 6, 0, 20}, p...)
	sum := uint32(0)
	for i := 0; i < len(pseudo); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(pseudo[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(p[16:], ^uint16(sum))
	return p
}

// ownTable makes a table of that name that belongs to a socket, as firewalld does, with a
// chain that drops. The table goes away with the socket.
func (h *fwHost) ownTable(t *testing.T, name string) (release func()) {
	t.Helper()
	var conn *netlink.Conn
	var err error
	h.do(func() { conn, err = netlink.Dial(unix.NETLINK_NETFILTER, nil) })
	if err != nil {
		t.Fatal(err)
	}
	attrs := func(a ...netlink.Attribute) []byte {
		b, err := netlink.MarshalAttributes(a)
		if err != nil {
			t.Fatal(err)
		}
		return append([]byte{byte(nftables.TableFamilyINet), 0, 0, 0}, b...)
	}
	message := func(typ int, flags netlink.HeaderFlags, data []byte) netlink.Message {
		return netlink.Message{Header: netlink.Header{Type: netlink.HeaderType(typ), Flags: netlink.Request | flags}, Data: data}
	}
	hook, _ := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: unix.NFTA_HOOK_HOOKNUM, Data: []byte{0, 0, 0, 1}}, {Type: unix.NFTA_HOOK_PRIORITY, Data: make([]byte, 4)},
	})
	const nft = unix.NFNL_SUBSYS_NFTABLES << 8
	_, err = conn.SendMessages([]netlink.Message{
		message(unix.NFNL_MSG_BATCH_BEGIN, 0, []byte{0, 0, 0, unix.NFNL_SUBSYS_NFTABLES}),
		message(nft|unix.NFT_MSG_NEWTABLE, netlink.Create, attrs(
			netlink.Attribute{Type: unix.NFTA_TABLE_NAME, Data: []byte(name + "\x00")},
			netlink.Attribute{Type: unix.NFTA_TABLE_FLAGS, Data: []byte{0, 0, 0, 2 /* NFT_TABLE_F_OWNER */}})),
		message(nft|unix.NFT_MSG_NEWCHAIN, netlink.Create|netlink.Acknowledge, attrs(
			netlink.Attribute{Type: unix.NFTA_CHAIN_TABLE, Data: []byte(name + "\x00")},
			netlink.Attribute{Type: unix.NFTA_CHAIN_NAME, Data: []byte("input\x00")},
			netlink.Attribute{Type: unix.NFTA_CHAIN_HOOK | unix.NLA_F_NESTED, Data: hook},
			netlink.Attribute{Type: unix.NFTA_CHAIN_POLICY, Data: []byte{0, 0, 0, 0}},
			netlink.Attribute{Type: unix.NFTA_CHAIN_TYPE, Data: []byte("filter\x00")})),
		message(unix.NFNL_MSG_BATCH_END, 0, []byte{0, 0, 0, unix.NFNL_SUBSYS_NFTABLES}),
	})
	if err == nil {
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		_, err = conn.Receive()
	}
	if err != nil && !os.IsTimeout(err) {
		fwMissing(t, "nft", "no tables with an owner in this kernel: "+err.Error())
	}
	return func() { conn.Close() }
}
