package dev.heng.runtime.bench;

/** The forms in which a report is written. */
public enum ReportFormat {
    /** A table for people. */
    TABLE,
    /** JSON with every sample. */
    JSON,
    /** One line for each measurement. */
    CSV;

    /** Returns the report in this form, ending with a line feed. */
    public String render(BenchReport report) {
        return switch (this) {
            case TABLE -> ReportText.of(report);
            case JSON -> ReportJson.of(report);
            case CSV -> ReportCsv.of(report);
        };
    }
}
