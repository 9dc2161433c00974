// Sends telemetry with the OpenTelemetry SDK and prints what the SDK was told.
//
// Usage: send.mjs '{"run": "name", "protocol": "grpc", "url": "http://127.0.0.1:4317", "compression": "gzip",
// "traces": 100, "logs": 50, "points": 50}'; protocol is grpc, proto or json (both over HTTP), compression gzip or none.
// The last line on standard output is {"traces": {"ok": 7, "failed": 0}, "logs": ..., "metrics": ...}, in export calls.

import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

// The packages stand where they were installed, not beside this file.
const require = createRequire(pathToFileURL(`${process.env.RINGTAIL_NODE_MODULES}/`));
const { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } = require('@opentelemetry/api');
const { resourceFromAttributes } = require('@opentelemetry/resources');
const { BatchSpanProcessor, BasicTracerProvider } = require('@opentelemetry/sdk-trace-base');
const { BatchLogRecordProcessor, LoggerProvider } = require('@opentelemetry/sdk-logs');
const { MeterProvider, PeriodicExportingMetricReader } = require('@opentelemetry/sdk-metrics');

const TEXT = 'q"uo\\te </script> \u0001\n 日本語 🦝';
const BATCH = 64;
const options = JSON.parse(process.argv[2]);
const counts = {};

/** The exporter of one signal, counting what the SDK is told about each export call. */
function exporter(signal, kind) {
  const suffix = { grpc: 'grpc', proto: 'proto', json: 'http' }[options.protocol];
  const name = { traces: 'trace', logs: 'logs', metrics: 'metrics' }[signal];
  const Exporter = require(`@opentelemetry/exporter-${name}-otlp-${suffix}`)[kind];
  const url = options.protocol === 'grpc' ? options.url : `${options.url}/v1/${signal}`;
  const made = new Exporter({ url, compression: options.compression, timeoutMillis: 30_000 });
  const count = (counts[signal] = { ok: 0, failed: 0 });
  const send = made.export.bind(made);
  made.export = (items, done) =>
    send(items, (result) => {
      count[result.code === 0 ? 'ok' : 'failed'] += 1;
      if (result.error) console.error(signal, result.error);
      done(result);
    });
  return made;
}

function attributes(traceIndex, spanIndex) {
  return {
    run: options.run,
    'trace.index': traceIndex,
    'span.index': spanIndex,
    text: TEXT,
    flag: spanIndex % 2 === 0,
    ratio: traceIndex + 0.5,
    words: ['a', '', 'ü'],
    numbers: [1, -2, 2 ** 40],
  };
}

/** Spans end level by level over all traces, so each trace's spans leave in different requests. */
function sendTraces(tracer, count) {
  const roots = Array.from({ length: count }, (_, index) =>
    tracer.startSpan(`root ${index}`, { kind: SpanKind.SERVER, attributes: attributes(index, 0) }, ROOT_CONTEXT),
  );
  for (let level = 1; level < 4; level += 1) {
    roots.forEach((root, index) => {
      const links = [{ context: root.spanContext(), attributes: { why: 'test' } }];
      const described = { kind: SpanKind.CLIENT, attributes: attributes(index, level), links };
      const span = tracer.startSpan(`child ${level}`, described, trace.setSpan(ROOT_CONTEXT, root));
      span.addEvent('event', { n: level });
      if (level === 3) span.setStatus({ code: SpanStatusCode.ERROR, message: 'bad' });
      span.end();
    });
  }
  roots.forEach((root) => root.end());
}

const resource = resourceFromAttributes({ 'service.name': `client ${options.run}`, run: options.run });
const batching = { maxQueueSize: 100_000, maxExportBatchSize: BATCH, exportTimeoutMillis: 60_000 };

const spans = exporter('traces', 'OTLPTraceExporter');
const tracers = new BasicTracerProvider({ resource, spanProcessors: [new BatchSpanProcessor(spans, batching)] });
sendTraces(tracers.getTracer('test.scope', '1.2.3'), options.traces);
await tracers.shutdown();

const records = exporter('logs', 'OTLPLogExporter');
const loggers = new LoggerProvider({
  resource,
  processors: [new BatchLogRecordProcessor({ exporter: records, ...batching })],
});
const logger = loggers.getLogger('test.scope');
for (let index = 0; index < options.logs; index += 1) {
  logger.emit({
    timestamp: [0, index + 1],
    severityNumber: 13,
    severityText: 'WARN',
    body: `log ${index}`,
    attributes: { run: options.run, 'log.index': index, text: TEXT },
  });
}
await loggers.shutdown();

const points = exporter('metrics', 'OTLPMetricExporter');
if (options.points > 0) {
  const reader = new PeriodicExportingMetricReader({ exporter: points, exportIntervalMillis: 3_600_000 });
  const meters = new MeterProvider({ resource, readers: [reader] });
  const counter = meters.getMeter('test.scope').createCounter('test.requests', { unit: '1' });
  for (let index = 0; index < options.points; index += 1) counter.add(index + 1, { 'point.index': index });
  await meters.shutdown();
}

console.log(JSON.stringify(counts));
