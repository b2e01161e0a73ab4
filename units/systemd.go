package units

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/coreos/go-systemd/v22/util"
	"github.com/godbus/dbus/v5"
)

// Systemd is the systemd of the machine this process runs on, reached over D-Bus
// or, where no bus runs, over its own socket.
func Systemd() Manager { return system{} }

type system struct{}

// Running is false in another mount namespace than that of process 1 too: it
// would read other unit files than those written here.
func (system) Running() bool {
	if !util.IsRunningSystemd() {
		return false
	}
	ours, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		return false
	}
	its, err := os.Readlink("/proc/1/ns/mnt")
	return err == nil && ours == its
}

// with connects for one call.
func with(ctx context.Context, call func(*systemd.Conn) error) error {
	conn, err := systemd.NewWithContext(ctx)
	if err != nil {
		return fmt.Errorf("connect to systemd: %w", err)
	}
	defer conn.Close()
	return call(conn)
}

func (system) Reload(ctx context.Context) error {
	return with(ctx, func(conn *systemd.Conn) error { return reload(ctx, conn) })
}

func reload(ctx context.Context, conn *systemd.Conn) error {
	if err := conn.ReloadContext(ctx); err != nil {
		return fmt.Errorf("systemctl daemon-reload: %w", err)
	}
	return nil
}

func (system) Enable(ctx context.Context, unit string) error {
	return with(ctx, func(conn *systemd.Conn) error {
		if _, _, err := conn.EnableUnitFilesContext(ctx, []string{unit}, false, true); err != nil {
			return fmt.Errorf("systemctl enable %s: %w", unit, err)
		}
		return reload(ctx, conn)
	})
}

func (system) Start(ctx context.Context, unit string) error {
	return with(ctx, func(conn *systemd.Conn) error {
		// A set-up killed between writing the file and telling systemd.
		stale, err := conn.GetUnitPropertyContext(ctx, unit, "NeedDaemonReload")
		if err == nil && stale.Value.Value() == true {
			if err := reload(ctx, conn); err != nil {
				return err
			}
		}
		done := make(chan string, 1)
		if _, err := conn.StartUnitContext(ctx, unit, "replace", done); err != nil {
			return fmt.Errorf("systemctl start %s: %w", unit, err)
		}
		select {
		case result := <-done:
			if result != "done" {
				return fmt.Errorf("systemctl start %s: %s: see journalctl -u %s", unit, result, unit)
			}
			return nil
		case <-ctx.Done():
			return fmt.Errorf("systemctl start %s: %w", unit, ctx.Err())
		}
	})
}

func (system) Stop(ctx context.Context, unit string) error {
	return with(ctx, func(conn *systemd.Conn) error {
		done := make(chan string, 1)
		_, err := conn.StopUnitContext(ctx, unit, "replace", done)
		if noSuchUnit(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("systemctl stop %s: %w", unit, err)
		}
		select { // a unit that ends by failing has failed once it has ended
		case <-done:
		case <-time.After(patience):
		case <-ctx.Done():
		}
		if err := conn.ResetFailedUnitContext(ctx, unit); err != nil && !noSuchUnit(err) {
			return fmt.Errorf("systemctl reset-failed %s: %w", unit, err)
		}
		return nil
	})
}

func noSuchUnit(err error) bool {
	var refused dbus.Error
	return errors.As(err, &refused) && refused.Name == "org.freedesktop.systemd1.NoSuchUnit"
}
