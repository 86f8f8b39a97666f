package deploy

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

// content returns the root directory of the container.
func content(t *testing.T) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "root")
	if out, err := exec.Command("./content", root).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return root
}

// TestContent checks that the container consists of two static programs.
func TestContent(t *testing.T) {
	root := content(t)
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
		f, err := elf.Open(filepath.Join(root, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range f.Progs {
			if p.Type == elf.PT_INTERP {
				t.Errorf("%s is linked dynamically", e.Name())
			}
		}
		f.Close()
	}
	if !slices.Equal(names, []string{"firewall", "rules"}) {
		t.Errorf("the container has %q, want firewall and rules", names)
	}
	b, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	if want := "FROM scratch\nCOPY --from=build /content /\nENTRYPOINT [\"/firewall\"]\n"; !strings.Contains(string(b), want) {
		t.Errorf("the image is not made as tested here:\n%s", b)
	}
}

// contained returns a command that runs in the container: in its root directory
// and, if the user namespace of the test has another user, without any
// privilege except that of the manifest.
func contained(root string, command []string) *exec.Cmd {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = []string{}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	if ordinary := uint32(65534); mapped(ordinary) {
		const netAdmin = 12 // CAP_NET_ADMIN
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: ordinary, Gid: ordinary}
		cmd.SysProcAttr.AmbientCaps = []uintptr{netAdmin}
	}
	return cmd
}

// mapped reports whether the user namespace has the user.
func mapped(uid uint32) bool {
	b, err := os.ReadFile("/proc/self/uid_map")
	var first, outside, length uint32
	_, scanned := fmt.Sscan(string(b), &first, &outside, &length)
	return err == nil && scanned == nil && first <= uid && uid-first < length
}

// A volume is a directory like that of a ConfigMap: its files are links into a
// directory to which another link leads. A change replaces that link.
type volume struct {
	path    string
	version int
}

func (v *volume) write(t *testing.T, text string) {
	t.Helper()
	v.version++
	name := fmt.Sprintf("..%d", v.version)
	for _, err := range []error{
		os.MkdirAll(filepath.Join(v.path, name), 0o755),
		os.WriteFile(filepath.Join(v.path, name, "policy.txt"), []byte(text), 0o644),
		os.Symlink(name, filepath.Join(v.path, "..new")),
		os.Rename(filepath.Join(v.path, "..new"), filepath.Join(v.path, "..data")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("..data/policy.txt", filepath.Join(v.path, "policy.txt")); err != nil && !errors.Is(err, os.ErrExist) {
		t.Fatal(err)
	}
}

// TestPod runs the pod of the manifest on a node that forwards. It checks the
// rules, the policy from the volume and a change of it, health, metrics, and
// the end.
func TestPod(t *testing.T) {
	testutil.RequireKernel(t)
	root, p := content(t), readPod(t)
	firewall := p.Containers[0]
	open(t, root)
	v := &volume{path: filepath.Join(root, firewall.VolumeMounts[0].MountPath)}
	v.write(t, policy(t))
	client, server := node(t)

	run(t, root, p.InitContainers[0].Command)
	t.Cleanup(func() { contained(root, []string{"/rules", "-remove"}).Run() })
	if !answers(t, client, server, 9, 20*time.Second) {
		t.Error("nothing passes before the firewall runs, although the rules say bypass")
	}
	pod := testutil.StartCmd(t, contained(root, append([]string{"/firewall"}, firewall.Args...)))
	pod.Stdout.Await(t, "firewall: 1 rule, queue 0")
	url := fmt.Sprintf("http://127.0.0.1:%d", firewall.Ports[0].ContainerPort)
	if code, text := get(t, url+firewall.LivenessProbe.HTTPGet.Path); code != http.StatusOK {
		t.Errorf("the probe gets %d %q", code, text)
	}
	if !answers(t, client, server, 9, 20*time.Second) {
		t.Error("the policy accepts, but nothing passes")
	}

	v.write(t, "nonsense")
	pod.Stdout.Await(t, "nothing changed: /policy/policy.txt:1: ")
	v.write(t, "drop udp to port 7\nreject udp to port 8\ndefault accept\n")
	pod.Stdout.Await(t, "firewall: now 2 rules")
	if answers(t, client, server, 7, 300*time.Millisecond) || answers(t, client, server, 8, 300*time.Millisecond) {
		t.Error("the changed policy drops nothing")
	}
	if !answers(t, client, server, 9, 20*time.Second) {
		t.Error("the changed policy accepts nothing")
	}
	if got := pod.Stdout.String(); strings.Contains(got, "came back") {
		t.Errorf("the rules ignore the marks:\n%s", got)
	}
	_, metrics := get(t, url+"/metrics")
	for _, want := range []string{
		"firewall_packets_total{action=\"drop\"} 1\n", "firewall_packets_total{action=\"reject\"} 1\n",
		"firewall_policy_mistakes_total 1\n", "firewall_policy_rules 2\n",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("/metrics lacks %q:\n%s", want, metrics)
		}
	}

	run(t, root, firewall.Lifecycle.PreStop.Exec.Command)
	pod.Signal(t, syscall.SIGTERM)
	if got := pod.Wait(t); got != 0 || pod.Stderr.String() != "" {
		t.Errorf("exit status %d, complaints %q, want 0 and none", got, &pod.Stderr)
	}
	if !answers(t, client, server, 7, 20*time.Second) {
		t.Error("something is dropped after the end")
	}
}

// open gives other users access to the directory of the test.
func open(t *testing.T, root string) {
	t.Helper()
	for dir := root; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func run(t *testing.T, root string, command []string) {
	t.Helper()
	if out, err := contained(root, command).CombinedOutput(); err != nil {
		t.Fatalf("%q: %v\n%s", command, err, out)
	}
}

// node makes the namespace of the test forward between two others.
func node(t *testing.T) (client, server testutil.Host) {
	t.Helper()
	own := &netns.Namespace{}
	nearClient, client := testutil.Veth(t, own, testutil.NewNamespace(t), 1)
	nearServer, server := testutil.Veth(t, own, testutil.NewNamespace(t), 2)
	for _, err := range []error{
		own.SetSysctl("ipv4/ip_forward", "1"), own.SetSysctl("ipv6/conf/all/forwarding", "1"),
		client.NS.AddRoute(netip.MustParsePrefix("10.0.2.0/24"), nearClient.IPv4),
		client.NS.AddRoute(netip.MustParsePrefix("fd00:0:0:2::/64"), nearClient.IPv6),
		server.NS.AddRoute(netip.MustParsePrefix("10.0.1.0/24"), nearServer.IPv4),
		server.NS.AddRoute(netip.MustParsePrefix("fd00:0:0:1::/64"), nearServer.IPv6),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return client, server
}

// answers reports whether an IPv6 datagram that the node forwards gets an
// answer in time.
func answers(t *testing.T, client, server testutil.Host, port uint16, within time.Duration) bool {
	t.Helper()
	at := net.UDPAddrFromAddrPort(netip.AddrPortFrom(server.IPv6, port))
	var listener, conn *net.UDPConn
	err := server.NS.Do(func() (err error) {
		listener, err = net.ListenUDP("udp", at)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	err = client.NS.Do(func() (err error) {
		conn, err = net.DialUDP("udp", nil, at)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go func() {
		b := make([]byte, 100)
		if n, from, err := listener.ReadFromUDPAddrPort(b); err == nil {
			listener.WriteToUDPAddrPort(b[:n], from)
		}
	}()
	conn.SetDeadline(time.Now().Add(within))
	if _, err := conn.Write([]byte("question")); err != nil {
		t.Fatal(err)
	}
	_, err = conn.Read(make([]byte, 100))
	return err == nil
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	defer http.DefaultClient.CloseIdleConnections()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}
