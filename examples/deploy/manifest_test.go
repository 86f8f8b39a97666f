package deploy

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/ipqueue/ipqueue/internal/testutil"
)

const manifest = "firewall.yaml"

// documents reads the documents of the manifest, with the types of
// encoding/json.
func documents(t *testing.T) (list []map[string]any) {
	t.Helper()
	f, err := os.Open(manifest)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for d := yaml.NewDecoder(f); ; {
		var document map[string]any
		err := d.Decode(&document)
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, throughJSON(t, document))
	}
}

// throughJSON converts v to the types that encoding/json uses.
func throughJSON(t *testing.T, v any) (document map[string]any) {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	got, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return got.(map[string]any)
}

// published is a module that contains the OpenAPI documents of Kubernetes.
const published = "sigs.k8s.io/kubectl-validate@v0.0.4"

// schemas returns the directory of the documents. It has a folder for each
// version.
func schemas(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "mod", "download", "-json", published).Output()
	if err != nil {
		testutil.Lacks(t, "the schemas of Kubernetes", err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(module.Dir, "pkg", "openapiclient", "builtins")
}

// strict makes the schema refuse properties that it does not name, and removes
// from it what is not JSON Schema.
func strict(schema any) {
	switch schema := schema.(type) {
	case map[string]any:
		if _, ok := schema["properties"].(map[string]any); ok && schema["additionalProperties"] == nil {
			schema["additionalProperties"] = false
		}
		if format, ok := schema["format"].(string); ok && strings.HasPrefix(format, "int") {
			delete(schema, "format")
		}
		for _, v := range schema {
			strict(v)
		}
	case []any:
		for _, v := range schema {
			strict(v)
		}
	}
}

// kinds contains the kinds in the manifest: for each, the OpenAPI document with
// its schema, and the name of the schema.
var kinds = map[string]struct{ file, name string }{
	"v1 Namespace":      {"api/v1.json", "io.k8s.api.core.v1.Namespace"},
	"v1 ConfigMap":      {"api/v1.json", "io.k8s.api.core.v1.ConfigMap"},
	"apps/v1 DaemonSet": {"apis/apps/v1.json", "io.k8s.api.apps.v1.DaemonSet"},
}

// validator returns a function that checks a document against its schema.
func validator(t *testing.T, directory string) func(document map[string]any) error {
	t.Helper()
	c := jsonschema.NewCompiler()
	for _, file := range []string{"api/v1.json", "apis/apps/v1.json"} {
		b, err := os.ReadFile(filepath.Join(directory, file))
		if err != nil {
			t.Fatal(err)
		}
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		strict(document.(map[string]any)["components"])
		if err := c.AddResource("https://kubernetes/"+file, document); err != nil {
			t.Fatal(err)
		}
	}
	return func(document map[string]any) error {
		kind := document["apiVersion"].(string) + " " + document["kind"].(string)
		where, known := kinds[kind]
		if !known {
			return errors.New("no schema for " + kind)
		}
		schema, err := c.Compile("https://kubernetes/" + where.file + "#/components/schemas/" + where.name)
		if err != nil {
			return err
		}
		return schema.Validate(document)
	}
}

func TestManifest(t *testing.T) {
	list := documents(t)
	if len(list) != len(kinds) {
		t.Fatalf("%d documents, want %d", len(list), len(kinds))
	}
	versions, err := os.ReadDir(schemas(t))
	if err != nil || len(versions) < 3 {
		t.Fatalf("%d versions of the schemas, %v, want several", len(versions), err)
	}
	for _, version := range versions {
		t.Run(version.Name(), func(t *testing.T) {
			validate := validator(t, filepath.Join(schemas(t), version.Name()))
			for _, document := range list {
				if err := validate(document); err != nil {
					t.Errorf("%v: %v", document["kind"], err)
				}
			}
			// The schema must refuse mistakes; otherwise the test above proves nothing.
			for _, spoil := range []func(spec map[string]any){
				func(spec map[string]any) { spec["hostNetwrok"] = true },
				func(spec map[string]any) { spec["hostNetwork"] = "yes" },
				func(spec map[string]any) { delete(spec, "containers") },
			} {
				set := documents(t)[2]
				spoil(podSpec(set))
				if validate(set) == nil {
					t.Errorf("no fault found in %v", podSpec(set))
				}
			}
		})
	}
}

func podSpec(set map[string]any) map[string]any {
	return set["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)
}

// A container contains the fields that the tests use.
type container struct {
	Name, Image     string
	Command, Args   []string
	SecurityContext struct {
		AllowPrivilegeEscalation, ReadOnlyRootFilesystem bool
		Capabilities                                     struct{ Add, Drop []string }
	}
	Ports         []struct{ ContainerPort int }
	LivenessProbe struct{ HTTPGet struct{ Path string } }
	Lifecycle     struct {
		PreStop struct{ Exec struct{ Command []string } }
	}
	VolumeMounts []struct {
		MountPath, SubPath string
		ReadOnly           bool
	}
}

// A pod contains the fields that the tests use.
type pod struct {
	HostNetwork, HostPID, HostIPC bool
	InitContainers, Containers    []container
}

func readPod(t *testing.T) (p pod) {
	t.Helper()
	b, err := json.Marshal(podSpec(documents(t)[2]))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &p); err != nil {
		t.Fatal(err)
	}
	if len(p.InitContainers) != 1 || len(p.Containers) != 1 {
		t.Fatalf("the pod is %+v, want two containers", p)
	}
	return p
}

// policy returns the policy in the ConfigMap.
func policy(t *testing.T) string {
	t.Helper()
	return documents(t)[1]["data"].(map[string]any)["policy.txt"].(string)
}

// TestPrivilege checks that the pod has no privilege but NET_ADMIN, and shares
// only the network of the node.
func TestPrivilege(t *testing.T) {
	p := readPod(t)
	if !p.HostNetwork || p.HostPID || p.HostIPC {
		t.Errorf("the pod shares %+v, want the network alone", p)
	}
	for _, c := range append(p.InitContainers, p.Containers...) {
		s := c.SecurityContext
		if strings.Join(s.Capabilities.Add, ",") != "NET_ADMIN" || strings.Join(s.Capabilities.Drop, ",") != "ALL" ||
			s.AllowPrivilegeEscalation || !s.ReadOnlyRootFilesystem {
			t.Errorf("%s: %+v, want NET_ADMIN alone", c.Name, s)
		}
	}
	for _, m := range p.Containers[0].VolumeMounts {
		if m.SubPath != "" || !m.ReadOnly {
			t.Errorf("volume %+v, want a directory, which follows changes", m)
		}
	}
}
