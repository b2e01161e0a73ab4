package filter

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Nftables calls look, which reads the rules of nftables, and again when it fails
// because they changed under it. A kernel without nf_tables is not looked at: to
// ask would bring it in.
func Nftables(ctx context.Context, look func() error) error {
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
		if err = look(); err == nil {
			return nil
		}
		if after, _ = nftGeneration(); before == after {
			return err
		}
	}
	return fmt.Errorf("somebody else keeps changing the rules: %w", err)
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
	a, err := parseAttributes(replies[0].Data[4:])
	return a.number(unix.NFTA_GEN_ID), err
}

// nftMoment is the present one of the calling thread's network namespace.
func nftMoment() (m moment, err error) {
	if m.namespace, err = os.Readlink("/proc/thread-self/ns/net"); err != nil {
		return m, err
	}
	generation, err := nftGeneration()
	m.state = uint64(generation)
	return m, nftUnused(err)
}
