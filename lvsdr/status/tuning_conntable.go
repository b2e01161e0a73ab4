package status

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"strconv"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

const connTabBits = "/sys/module/ip_vs/parameters/conn_tab_bits"

// rowBits is n of the 2^n rows that the loaded module's table of connections has.
func (t *tuner) rowBits() (uint64, error) {
	data, err := t.host.Files.ReadFile(connTabBits)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(data)), 10, 6)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", connTabBits, err)
	}
	return n, nil
}

// describedRowBits is n of "tuning: {connTabBits: n}", as set-up has written it for the
// module; 0 where it has not.
func (t *tuner) describedRowBits() (uint64, error) {
	data, err := t.host.Files.ReadFile(step.ModuleOptions)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	for _, word := range strings.Fields(string(data)) {
		if n, ok := strings.CutPrefix(word, "conn_tab_bits="); ok {
			return strconv.ParseUint(n, 10, 6)
		}
	}
	return 0, err
}

// builtIn tells whether ip_vs is part of the kernel: then no option of modprobe.d(5) counts.
// Of a module that was loaded the kernel has a state (kernel/module/sysfs.c, initstate).
func (t *tuner) builtIn() (bool, error) {
	loaded, err := host.Exists(t.host.Files, "/sys/module/ip_vs/initstate")
	return !loaded, err
}

// connTable: the table of connections has 2^conn_tab_bits rows, each a list that every
// packet walks (ip_vs_conn.c). Kernels with conn_lfactor begin with fewer and end there.
func connTable(_ context.Context, t *tuner) ([]Note, error) {
	rowBits, err := t.rowBits()
	if err != nil {
		return nil, err
	}
	var entries uint64
	for _, s := range t.st.Services {
		for _, r := range s.RealServers {
			entries += uint64(r.Active) + uint64(r.Inactive) + uint64(r.Persistent)
		}
	}
	rows := uint64(1) << rowBits
	if entries <= rows {
		return nil, nil
	}
	want := uint64(min(max(bits.Len64(entries-1), 8), 20))
	described, err := t.describedRowBits()
	if err != nil || want <= max(rowBits, described) { // connTableOption tells what is described
		return nil, err
	}
	seen := fmt.Sprintf("%d connections in a table of %d rows at most: a packet looks through %d on average; ", entries, rows, entries/rows)
	builtIn, err := t.builtIn()
	if err != nil {
		return nil, err
	}
	if builtIn {
		return []Note{{"conn-table", seen + fmt.Sprintf("ip_vs is built into this kernel, which takes the rows from its command line: "+
			"add ip_vs.conn_tab_bits=%d there, for the next boot", want), entries, rows, ""}}, nil
	}
	return []Note{{"conn-table", seen + "the module's option counts when ip_vs is loaded the next time, at the latest after a reboot", entries, rows,
		fmt.Sprintf("echo options ip_vs conn_tab_bits=%d > /etc/modprobe.d/zz-ip_vs-conn-table.conf", want)}}, nil // after lvsdr's own: the last counts
}

// connTableOption: a module that was loaded before set-up wrote its option has the rows
// of that time.
func connTableOption(_ context.Context, t *tuner) ([]Note, error) {
	want, err := t.describedRowBits()
	if err != nil || want == 0 {
		return nil, err
	}
	has, err := t.rowBits()
	if err != nil || has == want {
		return nil, err
	}
	builtIn, err := t.builtIn()
	if err != nil {
		return nil, err
	}
	if builtIn {
		return []Note{{"conn-table-option", fmt.Sprintf("IPVS's table of connections was made with 2^%d rows, and tuning.connTabBits has 2^%d written into %s, "+
			"which does not count: ip_vs is built into this kernel, which takes the rows from its command line. Add ip_vs.conn_tab_bits=%d there, for the next boot",
			has, want, step.ModuleOptions, want), 1, 0, ""}}, nil
	}
	return []Note{{"conn-table-option", fmt.Sprintf("IPVS's table of connections was made with 2^%d rows, tuning.connTabBits has 2^%d written into %s: "+
		"that counts when ip_vs is loaded the next time, after a reboot. To load it anew without one ends every connection. "+
		"Where this host was rebooted since, another file or the kernel's command line says otherwise, as the command shows, "+
		"or the kernel, since 6.5, found its memory too small for more", has, want, step.ModuleOptions),
		1, 0, "modprobe --showconfig | grep '^options ip_vs '"}}, nil
}
