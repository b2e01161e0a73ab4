package linux

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// Script looks at the program and at every folder above it, behind links.
func (keepalived) Script(_ context.Context, program, name string) error {
	who, err := user.Lookup(name)
	if err != nil {
		return absent{text: name + " is no user of this host"}
	}
	real, err := filepath.EvalSymlinks(program)
	if err != nil {
		return err
	}
	info, err := os.Stat(real)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no regular file", program)
	}
	if writer := Writers(real); writer != "" {
		return fmt.Errorf("%s: %w", writer, fs.ErrPermission)
	}
	return runnable(real, who)
}

// runnable tells whether the user may run a program: the program, and search its folders.
func runnable(program string, who *user.User) error {
	if who.Uid == "0" {
		who = &user.User{Uid: "0", Gid: "0", Username: who.Username}
	}
	for at := program; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err != nil {
			return err
		}
		if !mayExecute(info, who) {
			return fmt.Errorf("%s may not run %s (%v): %w", who.Username, at, info.Mode(), fs.ErrPermission)
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}

// mayExecute is what the kernel says (fs/namei.c, acl_permission_check), without ACLs.
// Root may where anybody may.
func mayExecute(info fs.FileInfo, who *user.User) bool {
	owner, ok := info.Sys().(*syscall.Stat_t)
	perm := info.Mode().Perm()
	groups, _ := who.GroupIds()
	switch {
	case !ok:
		return false
	case who.Uid == "0":
		return perm&0o111 != 0
	case who.Uid == strconv.Itoa(int(owner.Uid)):
		return perm&0o100 != 0
	case slices.Contains(append(groups, who.Gid), strconv.Itoa(int(owner.Gid))):
		return perm&0o010 != 0
	}
	return perm&0o001 != 0
}

// Writers tells who but root may change a file, by its own rights or those of the
// folders above it; empty where nobody may. A folder with the sticky bit keeps its files.
func Writers(name string) string {
	name, err := filepath.EvalSymlinks(name)
	if err != nil {
		return ""
	}
	for at := name; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err != nil {
			return ""
		}
		owner, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return ""
		}
		switch mode := info.Mode(); {
		case owner.Uid != 0 && int(owner.Uid) != os.Geteuid():
			return fmt.Sprintf("%s is the user's with number %d", at, owner.Uid)
		case at != name && mode&fs.ModeSticky != 0:
		case mode.Perm()&0o002 != 0:
			return fmt.Sprintf("others may write %s (%v)", at, mode.Perm())
		case mode.Perm()&0o020 != 0 && owner.Gid != 0:
			return fmt.Sprintf("the group with number %d may write %s (%v)", owner.Gid, at, mode.Perm())
		}
		if at == filepath.Dir(at) {
			return ""
		}
	}
}
