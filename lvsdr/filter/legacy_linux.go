package filter

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// LoadLegacy is the part of [Load] that legacy iptables has. It fails when the
// kernel has some and the host no command that could read it.
func LoadLegacy(ctx context.Context) (*Ruleset, error) {
	tables := map[string][]string{}
	some := false
	for _, family := range legacyFamilies {
		var err error
		if tables[family.name], err = LegacyTables(family.name); err != nil {
			return nil, err
		}
		some = some || len(tables[family.name]) > 0
	}
	read := func() (*Ruleset, error) { return readLegacy(ctx, tables) }
	r := readingOf(ctx)
	if r == nil || !some {
		return read()
	}
	return r.get(ctx, &r.legacy, func() (moment, error) { return legacyMoment(tables) }, read)
}

func readLegacy(ctx context.Context, tables map[string][]string) (*Ruleset, error) {
	var sets []*Ruleset
	for _, family := range legacyFamilies {
		if len(tables[family.name]) == 0 {
			continue
		}
		command := IptablesCommand("legacy", family.name)
		if command == "" {
			return nil, NoCommand(family.name)
		}
		out, err := RunTool(ctx, "", command+"-save")
		if err != nil {
			return nil, err
		}
		sets = append(sets, ParseIptables(command, string(out)))
	}
	return Join(sets...), nil
}

// A legacyFamily is how a family's tables are asked of the kernel
// (include/uapi/linux/netfilter_ipv4/ip_tables.h, netfilter_ipv6/ip6_tables.h), on
// machines of 64 bits.
type legacyFamily struct {
	name          string
	domain, level int
	next          int // where a rule (struct ipt_entry, ip6t_entry) tells its size
	counters      int // where it has counted packets and bytes
}

var legacyFamilies = []legacyFamily{
	{"ip", unix.AF_INET, unix.IPPROTO_IP, 90, 96},
	{"ip6", unix.AF_INET6, unix.IPPROTO_IPV6, 142, 152},
}

const (
	getInfo    = 64 // IPT_SO_GET_INFO
	getEntries = 65 // IPT_SO_GET_ENTRIES

	tableName    = 32           // struct ipt_getinfo and ipt_get_entries begin with the table's name
	infoSize     = 84           // of struct ipt_getinfo, which ends with
	infoTotal    = infoSize - 4 // the size of all rules
	entriesStart = 40           // in struct ipt_get_entries, behind that size
	counterSize  = 16
)

var (
	legacySeed      = maphash.MakeSeed()
	errLegacyLayout = errors.New("the rules of legacy iptables are laid out in a way that is not known")
)

// legacyMoment is the present one of the calling thread's network namespace. The kernel
// does not number the changes of these tables, so that their rules are hashed as the
// kernel has them, which takes far less than to have iptables-save put them in words.
func legacyMoment(tables map[string][]string) (m moment, err error) {
	if m.namespace, err = os.Readlink("/proc/thread-self/ns/net"); err != nil {
		return m, err
	}
	var all maphash.Hash
	all.SetSeed(legacySeed)
	for _, family := range legacyFamilies {
		for _, table := range tables[family.name] {
			if err := family.hash(table, &all); err != nil {
				return m, err
			}
		}
	}
	m.state = all.Sum64()
	return m, nil
}

// hash adds a table's rules as the kernel has them, but for what they have counted.
func (f legacyFamily) hash(table string, to *maphash.Hash) error {
	if strconv.IntSize != 64 || len(table) >= tableName {
		return errLegacyLayout
	}
	fd, err := unix.Socket(f.domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	info := make([]byte, infoSize)
	copy(info, table)
	if err := getsockopt(fd, f.level, getInfo, info); err != nil {
		return err
	}
	_, _ = to.WriteString(f.name)
	_, _ = to.Write(info) // with its name and size
	size := binary.NativeEndian.Uint32(info[infoTotal:])
	answer := make([]byte, entriesStart+int(size))
	copy(answer, table)
	binary.NativeEndian.PutUint32(answer[tableName:], size)
	if err := getsockopt(fd, f.level, getEntries, answer); err != nil {
		return err
	}
	for rest := answer[entriesStart:]; len(rest) > 0; {
		if len(rest) < f.counters+counterSize {
			return errLegacyLayout
		}
		next := int(binary.NativeEndian.Uint16(rest[f.next:]))
		if next < f.counters+counterSize || next > len(rest) {
			return errLegacyLayout
		}
		clear(rest[f.counters : f.counters+counterSize])
		rest = rest[next:]
	}
	_, _ = to.Write(answer[entriesStart:])
	return nil
}

// getsockopt asks for an option whose value is a question at first.
func getsockopt(fd, level, option int, value []byte) error {
	size := uint32(len(value))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option),
		uintptr(unsafe.Pointer(&value[0])), uintptr(unsafe.Pointer(&size)), 0)
	switch {
	case errno != 0:
		return os.NewSyscallError("getsockopt", errno)
	case int(size) != len(value):
		return errLegacyLayout
	}
	return nil
}
