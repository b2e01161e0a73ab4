package lvsdr

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// readNft calls look with a view of the rules, and again when it fails because
// they changed under it. A kernel without nf_tables has no chains.
func readNft(ctx context.Context, look func(*nftView) error) error {
	if !nftLoaded() {
		return nil
	}
	var err error
	for range 5 {
		if err := ctx.Err(); err != nil {
			return err
		}
		var before, after uint32
		if before, err = nftGeneration(); err != nil {
			return nftUnused(err)
		}
		if err = lookAtNft(look); err == nil {
			return nil
		}
		if after, _ = nftGeneration(); before == after {
			return err
		}
	}
	return fmt.Errorf("somebody else keeps changing the rules: %w", err)
}

func lookAtNft(look func(*nftView) error) error {
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(nftSocket))
	if err != nil {
		return err
	}
	defer conn.CloseLasting()
	v := &nftView{
		conn: conn, tables: map[nftTable]bool{}, chains: map[nftChain]*nftables.Chain{},
		rules: map[nftChain][]*nftables.Rule{}, drops: map[nftChain]bool{},
	}
	if err := v.readTables(); err != nil {
		return err
	}
	return look(v)
}

// nftSocket makes room for a transaction of some ten thousand services, and has
// a reply that never comes be an error.
func nftSocket(c *netlink.Conn) error {
	if err := c.SetWriteBuffer(4 << 20); err != nil {
		return err
	}
	return c.SetDeadline(time.Now().Add(30 * time.Second))
}

// nftLoaded is false when this kernel surely has no nf_tables loaded: then asking
// would load it. It is built in or a module that nfnetlink must be there for.
func nftLoaded() bool {
	modules, err := os.ReadFile("/proc/modules")
	if err != nil {
		return true
	}
	for line := range strings.Lines(string(modules)) {
		if strings.HasPrefix(line, "nf_tables ") {
			return true
		}
	}
	if strings.Contains("\n"+string(modules), "\nnfnetlink ") {
		return false
	}
	// Every protocol of netlink that is there has a socket of the kernel's own.
	sockets, err := os.ReadFile("/proc/thread-self/net/netlink")
	if err != nil {
		return true
	}
	for line := range strings.Lines(string(sockets)) {
		if f := strings.Fields(line); len(f) > 1 && f[1] == strconv.Itoa(unix.NETLINK_NETFILTER) {
			return true
		}
	}
	return false
}

// nftUnused makes the errors of a kernel without nf_tables none: nfnetlink
// answers EINVAL for a subsystem it does not know (net/netfilter/nfnetlink.c),
// and without nfnetlink there is no such socket.
func nftUnused(err error) error {
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.EAFNOSUPPORT) {
		return nil
	}
	return err
}

// nftGeneration returns the number of the rule set, which every transaction
// raises (NFT_MSG_GETGEN).
func nftGeneration() (uint32, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	replies, err := conn.Execute(netlink.Message{
		Header: netlink.Header{
			Type:  netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETGEN),
			Flags: netlink.Request,
		},
		Data: make([]byte, 4),
	})
	if err != nil || len(replies) == 0 || len(replies[0].Data) < 4 {
		return 0, err
	}
	ad, err := netlink.NewAttributeDecoder(replies[0].Data[4:])
	if err != nil {
		return 0, err
	}
	ad.ByteOrder = binary.BigEndian
	for ad.Next() {
		if ad.Type() == unix.NFTA_GEN_ID {
			return ad.Uint32(), nil
		}
	}
	return 0, ad.Err()
}
