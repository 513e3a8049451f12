package dev.heng.cli;

import dev.heng.runtime.registry.Candidate;
import dev.heng.runtime.registry.Verdict;
import dev.heng.spi.Availability;
import dev.heng.spi.DeviceInfo;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/** Verdicts as JSON objects. */
final class VerdictJson {

    private VerdictJson() {}

    static Map<String, Object> of(Verdict verdict) {
        return switch (verdict) {
            case Verdict.Usable usable -> {
                Map<String, Object> object = of(usable.candidate(), "available", usable.took());
                object.put(
                        "devices",
                        usable.devices().stream().map(VerdictJson::of).toList());
                yield object;
            }
            case Verdict.Unusable unusable -> {
                Map<String, Object> object = of(unusable.candidate(), "unavailable", unusable.took());
                object.put("reason", unusable.why().reason().name().toLowerCase(Locale.ROOT));
                object.put("detail", unusable.why().detail());
                object.put("remedy", unusable.why().remedy());
                yield object;
            }
            case Verdict.Rejected rejected ->
                Json.object(
                        "id", rejected.id(),
                        "status", "rejected",
                        "provider", rejected.providerName(),
                        "origin", rejected.origin(),
                        "spi_version", rejected.spiVersion(),
                        "reason", rejected.reason(),
                        "remedy", rejected.remedy());
        };
    }

    private static Map<String, Object> of(Candidate candidate, String status, Duration took) {
        return Json.object(
                "id", candidate.id(),
                "status", status,
                "description", candidate.description(),
                "priority", candidate.priority(),
                "provider", candidate.providerName(),
                "origin", candidate.origin(),
                "spi_version", candidate.spiVersion(),
                "probe_ms", took.toMillis());
    }

    private static Map<String, Object> of(DeviceInfo device) {
        return Json.object(
                "address", device.address(),
                "name", device.name(),
                "memory_bytes", device.memoryBytes() < 0 ? null : device.memoryBytes(),
                "simulated", device.simulated(),
                "facts", new LinkedHashMap<>(device.facts()));
    }

    /** Returns the reason and the detail in one line. */
    static String reason(Availability.Unavailable why) {
        return why.reason().name().toLowerCase(Locale.ROOT).replace('_', ' ') + ": "
                + why.detail().strip().replaceAll("\\s*\\R\\s*", " / ");
    }
}
