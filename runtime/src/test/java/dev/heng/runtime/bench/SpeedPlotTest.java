package dev.heng.runtime.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.runtime.bench.BenchReport.Device;
import dev.heng.runtime.bench.BenchReport.Result;
import dev.heng.runtime.generate.MemoryEstimate;
import dev.heng.runtime.registry.BackendWish;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.DeviceInfo;
import dev.heng.spi.tensor.DType;
import java.io.StringReader;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;
import org.xml.sax.InputSource;

class SpeedPlotTest {

    private static BenchReport report(boolean simulated) {
        BenchRequest request = new BenchRequest(
                "a<b & c",
                NamedShape.POET.config(),
                5,
                WeightFormats.of(WeightFormat.BF16),
                DType.F32,
                new BenchRequest.Work(List.of(4), 4, List.of(0, 100), List.of(1, 2, 4), 2, BenchRequest.Sync.END),
                new BenchRequest.Rounds(0, 3, 1, true),
                List.of(new BenchRequest.Target(BackendWish.AUTO, BackendOptions.none())));
        List<Result> results = new ArrayList<>();
        for (Measurement measurement : request.work().measurements()) {
            double rate = measurement instanceof Measurement.Decode decode ? 10 * decode.batch() : 1000;
            Spread spread = new Spread(List.of(rate, rate / 2, rate * 2));
            results.add(new Result(measurement, spread, spread, new Cost(1, 1, 1), null, null, null, null));
        }
        DeviceInfo info = new DeviceInfo("some", 0, "a device", 1, simulated, Map.of());
        return new BenchReport(
                request,
                Map.of("date", "today"),
                List.of(new Device(info, new MemoryEstimate(1, 1, 1, 1), 1, List.of(), results)),
                1,
                1,
                1);
    }

    private static Document parse(String svg) throws Exception {
        return DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(new InputSource(new StringReader(svg)));
    }

    @Test
    void everyPointIsDrawnWithinItsPanel() throws Exception {
        String svg = SpeedPlot.of(report(false));
        Document document = parse(svg);
        // Three batches against the context and two contexts against the batch.
        assertEquals(5, document.getElementsByTagName("polyline").getLength());
        int points = 0;
        NodeList circles = document.getElementsByTagName("circle");
        for (int index = 0; index < circles.getLength(); index++) {
            Element circle = (Element) circles.item(index);
            if (circle.getAttribute("r").equals("3")) {
                points++;
                double y = Double.parseDouble(circle.getAttribute("cy"));
                assertTrue(y >= 70 && y <= 370, "y " + y);
            }
        }
        assertEquals(12, points);
        assertTrue(svg.contains("a&lt;b &amp; c"), svg);
        assertFalse(svg.contains("SIMULATED"));
        assertFalse(svg.contains("href"), "the file must need nothing else");
    }

    @Test
    void aSimulatorIsCalledOne() throws Exception {
        String svg = SpeedPlot.of(report(true));
        parse(svg);
        assertTrue(svg.contains("SIMULATED: a&lt;b"));
        assertTrue(ReportFormat.TABLE.render(report(true)).startsWith("SIMULATED: "));
        assertTrue(ReportFormat.JSON.render(report(true)).contains("\"simulated\" : true"));
    }

    @Test
    void stepsAreRound() {
        assertEquals(1, SpeedPlot.niceStep(0.7));
        assertEquals(2, SpeedPlot.niceStep(1.2));
        assertEquals(50, SpeedPlot.niceStep(21));
        assertEquals(100, SpeedPlot.niceStep(55));
    }
}
