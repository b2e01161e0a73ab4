package ipvs_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	ours "github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// The same messages as ours through github.com/mdlayher/netlink, with what
// mdlayher/genetlink would put before them (four bytes), so that its own copy is not
// even counted: one by one, as genetlink can, and 128 at once with one
// acknowledgement, as ours does, which netlink alone can.

// Numbers of linux/ip_vs.h.
const (
	cmdNewService, cmdNewDest = 1, 5
	attrService, attrDest     = 1, 2
)

// mdlayher returns what fills an empty table with the commands.
func mdlayher(b testing.TB, commands []ours.Command, batch int) func() error {
	conn, err := netlink.Dial(unix.NETLINK_GENERIC, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	family := mdlayherFamily(b, conn)
	return func() error {
		for len(commands) > 0 {
			n := min(batch, len(commands))
			if err := mdlayherSend(conn, family, commands[:n]); err != nil {
				return err
			}
			commands = commands[n:]
		}
		return nil
	}
}

func mdlayherFamily(b testing.TB, conn *netlink.Conn) netlink.HeaderType {
	b.Helper()
	e := netlink.NewAttributeEncoder()
	e.String(2, "IPVS")
	data, err := e.Encode()
	if err != nil {
		b.Fatal(err)
	}
	answer, err := conn.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.GENL_ID_CTRL, Flags: netlink.Request},
		Data:   append([]byte{unix.CTRL_CMD_GETFAMILY, 1, 0, 0}, data...),
	})
	if err != nil {
		b.Fatal(err)
	}
	d, err := netlink.NewAttributeDecoder(answer[0].Data[4:])
	if err != nil {
		b.Fatal(err)
	}
	for d.Next() {
		if d.Type() == unix.CTRL_ATTR_FAMILY_ID {
			return netlink.HeaderType(d.Uint16())
		}
	}
	b.Fatal("no family")
	return 0
}

func mdlayherSend(conn *netlink.Conn, family netlink.HeaderType, commands []ours.Command) error {
	messages := make([]netlink.Message, len(commands))
	for i, c := range commands {
		data, err := mdlayherData(c)
		if err != nil {
			return err
		}
		messages[i] = netlink.Message{Header: netlink.Header{Type: family, Flags: netlink.Request}, Data: data}
	}
	messages[len(messages)-1].Header.Flags |= netlink.Acknowledge
	if len(messages) == 1 {
		_, err := conn.Execute(messages[0])
		return err
	}
	if _, err := conn.SendMessages(messages); err != nil {
		return err
	}
	_, err := conn.Receive()
	return err
}

func mdlayherData(c ours.Command) ([]byte, error) {
	e := netlink.NewAttributeEncoder()
	e.Nested(attrService, func(e *netlink.AttributeEncoder) error {
		mdlayherService(e, c.Service, c.Op == ours.AddService)
		return nil
	})
	cmd := byte(cmdNewService)
	if c.Op == ours.AddDestination {
		cmd = cmdNewDest
		e.Nested(attrDest, func(e *netlink.AttributeEncoder) error {
			mdlayherDestination(e, c.Destination)
			return nil
		})
	}
	data, err := e.Encode()
	return append([]byte{cmd, 1, 0, 0}, data...), err
}

func mdlayherAddr(e *netlink.AttributeEncoder, typ uint16, a netip.Addr) {
	e.Bytes(typ, a.AsSlice())
}

func mdlayherPort(e *netlink.AttributeEncoder, typ, port uint16) {
	e.Bytes(typ, binary.BigEndian.AppendUint16(nil, port))
}

func mdlayherService(e *netlink.AttributeEncoder, s *ours.Service, full bool) {
	e.Uint16(1, unix.AF_INET)
	e.Uint16(2, uint16(s.Protocol))
	mdlayherAddr(e, 3, s.Addr)
	mdlayherPort(e, 4, s.Port)
	if full {
		e.String(6, s.Scheduler)
		flags := binary.NativeEndian.AppendUint32(nil, uint32(s.Flags))
		e.Bytes(7, binary.NativeEndian.AppendUint32(flags, ^uint32(2)))
		e.Uint32(8, uint32(s.Persistence.Seconds()))
		e.Uint32(9, 0xffffffff)
	}
}

func mdlayherDestination(e *netlink.AttributeEncoder, d *ours.Destination) {
	mdlayherAddr(e, 1, d.Addr)
	mdlayherPort(e, 2, d.Port)
	e.Uint32(3, uint32(d.Forwarding))
	e.Uint32(4, uint32(d.Weight))
	e.Uint32(5, d.UpperThreshold)
	e.Uint32(6, d.LowerThreshold)
	e.Uint16(11, unix.AF_INET)
}

func benchmarkMdlayher(b *testing.B, batch int) {
	eachSize(b, func(b *testing.B, s size) {
		commands := flatten(s.entries())
		program(b, s, func(*ours.Client) func() error { return mdlayher(b, commands, batch) })
	})
}

func BenchmarkProgramMdlayher(b *testing.B)        { benchmarkMdlayher(b, 1) }
func BenchmarkProgramMdlayherBatches(b *testing.B) { benchmarkMdlayher(b, ours.BatchSize) }

// What they write is what was asked for, or they measure nothing.
func TestMdlayherWritesTheSame(t *testing.T) {
	want := size{2, 3}.entries()
	for _, batch := range []int{1, ours.BatchSize} {
		c := guest(t)
		if err := mdlayher(t, flatten(want), batch)(); err != nil {
			t.Fatal(err)
		}
		for i, got := range table(t, c) {
			if !sameEntry(got, want[i]) {
				t.Errorf("batches of %d: %+v\nwant %+v", batch, got, want[i])
			}
		}
	}
}
