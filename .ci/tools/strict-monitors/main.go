// Reads one ServiceMonitor or PodMonitor as YAML and fails on whatever the Prometheus operator's own types do not know: its CRDs are in no
// package that can be pinned.
package main

import (
	"fmt"
	"io"
	"os"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

func main() {
	text, err := io.ReadAll(os.Stdin)
	if err == nil {
		err = check(text)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func check(text []byte) error {
	var object struct{ Kind string }
	if err := yaml.Unmarshal(text, &object); err != nil {
		return err
	}
	switch object.Kind {
	case "ServiceMonitor":
		return yaml.UnmarshalStrict(text, new(monitoring.ServiceMonitor))
	case "PodMonitor":
		return yaml.UnmarshalStrict(text, new(monitoring.PodMonitor))
	default:
		return fmt.Errorf("the kind %q is not checked here", object.Kind)
	}
}
