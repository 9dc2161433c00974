"""Sends telemetry with the OpenTelemetry SDK and prints what the SDK was told.

Usage: send.py '{"run": "name", "protocol": "grpc", "url": "http://127.0.0.1:4317", "compression": "gzip",
"traces": 100, "logs": 50, "points": 50}'; protocol is grpc or http, compression gzip, deflate (http only) or none.
The last line on standard output is {"traces": {"ok": 7, "failed": 0}, "logs": ..., "metrics": ...}, in export calls.
"""

import json
import sys

from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

TEXT = 'q"uo\\te </script> \u0001\n 日本語 🦝'
BATCH = 64


def exporters(options):
    """The three exporters of one protocol, for traces, logs and metrics."""
    if options["protocol"] == "grpc":
        from grpc import Compression
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        compression = {"gzip": Compression.Gzip, "none": Compression.NoCompression}[options["compression"]]
        shared = {"endpoint": options["url"], "insecure": True, "compression": compression, "timeout": 30}
        return [kind(**shared) for kind in (OTLPSpanExporter, OTLPLogExporter, OTLPMetricExporter)]
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    kinds = {"traces": OTLPSpanExporter, "logs": OTLPLogExporter, "metrics": OTLPMetricExporter}
    return [
        kind(
            endpoint=f"{options['url']}/v1/{signal}",
            compression=Compression(options["compression"]),
            timeout=30,
        )
        for signal, kind in kinds.items()
    ]


def counted(exporter):
    """Counts what the SDK is told about each export call."""
    counts = {"ok": 0, "failed": 0}
    export = exporter.export

    def export_and_count(*arguments, **keywords):
        result = export(*arguments, **keywords)
        counts["ok" if result.name == "SUCCESS" else "failed"] += 1
        return result

    exporter.export = export_and_count
    return counts


def attributes(run, trace_index, span_index):
    return {
        "run": run,
        "trace.index": trace_index,
        "span.index": span_index,
        "text": TEXT,
        "flag": span_index % 2 == 0,
        "ratio": trace_index + 0.5,
        "words": ["a", "", "ü"],
        "numbers": [1, -2, 2**40],
    }


def send_traces(provider, run, count):
    """Spans end level by level over all traces, so each trace's spans leave in different requests."""
    tracer = provider.get_tracer("test.scope", "1.2.3")
    roots = [
        tracer.start_span(f"root {index}", kind=SpanKind.SERVER, attributes=attributes(run, index, 0))
        for index in range(count)
    ]
    for level in range(1, 4):
        for index, root in enumerate(roots):
            span = tracer.start_span(
                f"child {level}",
                context=trace.set_span_in_context(root),
                kind=SpanKind.CLIENT,
                attributes=attributes(run, index, level),
                links=[Link(root.get_span_context(), {"why": "test"})],
            )
            span.add_event("event", {"n": level})
            if level == 3:
                span.set_status(Status(StatusCode.ERROR, "bad"))
            span.end()
    for root in roots:
        root.end()


def main():
    options = json.loads(sys.argv[1])
    run = options["run"]
    resource = Resource.create({"service.name": f"client {run}", "run": run})
    spans, logs, metrics = exporters(options)
    counts = {"traces": counted(spans), "logs": counted(logs), "metrics": counted(metrics)}

    provider = TracerProvider(resource=resource)
    provider.add_span_processor(
        BatchSpanProcessor(spans, max_queue_size=100_000, max_export_batch_size=BATCH)
    )
    send_traces(provider, run, options["traces"])
    provider.shutdown()

    provider = LoggerProvider(resource=resource)
    provider.add_log_record_processor(
        BatchLogRecordProcessor(logs, max_queue_size=100_000, max_export_batch_size=BATCH)
    )
    logger = provider.get_logger("test.scope")
    for index in range(options["logs"]):
        logger.emit(
            LogRecord(
                timestamp=index + 1,
                severity_number=SeverityNumber.WARN,
                severity_text="WARN",
                body=f"log {index}",
                attributes={"run": run, "log.index": index, "text": TEXT},
            )
        )
    provider.shutdown()

    if options["points"]:
        reader = PeriodicExportingMetricReader(metrics, export_interval_millis=3_600_000)
        provider = MeterProvider(resource=resource, metric_readers=[reader])
        counter = provider.get_meter("test.scope").create_counter("test.requests", unit="1")
        for index in range(options["points"]):
            counter.add(index + 1, {"point.index": index})
        provider.shutdown()

    print(json.dumps(counts))


main()
