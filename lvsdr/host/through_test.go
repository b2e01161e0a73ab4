package host_test

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

type names struct{ host.Firewall }

func (names) Name() string { return "nftables" }

// No call on any view comes past the function that it is to go through, and each
// tells its own name.
func TestThroughTakesEveryCall(t *testing.T) {
	refused := errors.New("refused")
	var calls []string
	via := func(_ context.Context, call string, _ func() error) error {
		calls = append(calls, call)
		return refused
	}
	h := &host.Host{Firewalls: []host.Firewall{names{}}}
	h.Keepalived, h.Sync, h.VRRP = struct{ host.Keepalived }{}, struct{ host.Sync }{}, struct{ host.VRRP }{}
	h.Packages = struct{ host.Packages }{}
	h.Observer, h.Wire = h.Examined().Observer, h.Examined().Wire
	h = h.Through(via)
	views := reflect.ValueOf(*h)
	seen := 0
	for i := range views.NumField() {
		field, view := views.Type().Field(i), views.Field(i)
		name := field.Name
		if name == "Firewalls" {
			name, view = "Firewall", view.Index(0)
		}
		if view.Kind() != reflect.Interface {
			continue
		}
		for m := range view.NumMethod() {
			if method := view.Type().Method(m).Name; method != "Name" {
				seen++
				checkCall(t, view.Method(m), name+"."+method, &calls, refused)
			}
		}
	}
	if seen < 40 {
		t.Errorf("%d methods", seen)
	}
	if h.Firewalls[0].Name() != "nftables" {
		t.Errorf("the firewall is called %q", h.Firewalls[0].Name())
	}
}

// checkCall calls the method with zero values.
func checkCall(t *testing.T, method reflect.Value, name string, calls *[]string, refused error) {
	t.Helper()
	var in []reflect.Value
	for i := range method.Type().NumIn() {
		if kind := method.Type().In(i); i == 0 && kind.Kind() == reflect.Interface {
			in = append(in, reflect.ValueOf(context.Background()))
		} else if !method.Type().IsVariadic() || i < method.Type().NumIn()-1 {
			in = append(in, reflect.Zero(kind))
		}
	}
	*calls = nil
	out := method.Call(in)
	err, _ := out[len(out)-1].Interface().(error)
	if !errors.Is(err, refused) || len(*calls) != 1 || (*calls)[0] != name {
		t.Errorf("%s: %v, called %q", name, err, *calls)
	}
}

// A result comes through also with an error.
func TestThroughHandsResultsOn(t *testing.T) {
	h := (&host.Host{Sysctl: half{}}).Through(func(_ context.Context, _ string, do func() error) error { return do() })
	if value, err := h.Sysctl.Get("x"); value != "1" || !errors.Is(err, errHalf) {
		t.Errorf("got %q, %v", value, err)
	}
	if h.Observer != nil || h.Wire != nil {
		t.Error("a view that the host has not is there")
	}
}

var errHalf = errors.New("half")

type half struct{ host.Sysctl }

func (half) Get(string) (string, error) { return "1", errHalf }
