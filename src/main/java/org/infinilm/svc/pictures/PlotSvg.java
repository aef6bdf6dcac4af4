package org.infinilm.svc.pictures;

import java.awt.Dimension;
import java.awt.geom.Rectangle2D;
import java.io.StringWriter;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;
import javax.xml.transform.OutputKeys;
import javax.xml.transform.Transformer;
import javax.xml.transform.TransformerException;
import javax.xml.transform.TransformerFactory;
import javax.xml.transform.dom.DOMSource;
import javax.xml.transform.stream.StreamResult;
import org.apache.batik.svggen.SVGGeneratorContext;
import org.apache.batik.svggen.SVGGraphics2D;
import org.apache.batik.svggen.SVGIDGenerator;
import org.jfree.chart.JFreeChart;
import org.w3c.dom.Comment;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.Node;
import org.w3c.dom.NodeList;

/// Draws charts as SVG whose text stays text and whose colours are CSS variables with the light
/// theme's colours as fallback.
final class PlotSvg {
  private static final String NAMESPACE = "http://www.w3.org/2000/svg";

  /// A chart and its place in a picture.
  record Placed(JFreeChart chart, Rectangle2D area) {}

  private PlotSvg() {}

  /// @param id prefix of every id in it, unique in the page
  /// @param label what the picture shows, for readers who do not see it
  /// @param standalone with its own styles, for a file of its own
  static String draw(
      String id, String label, int width, int height, boolean standalone, Iterable<Placed> charts) {
    try {
      Document document =
          DocumentBuilderFactory.newDefaultNSInstance()
              .newDocumentBuilder()
              .getDOMImplementation()
              .createDocument(NAMESPACE, "svg", null);
      SVGGeneratorContext context = SVGGeneratorContext.createDefault(document);
      context.setComment("");
      context.setPrecision(2);
      context.setIDGenerator(
          new SVGIDGenerator() {
            private int next;

            @Override
            public String generateID(String prefix) {
              return id + "-" + next++;
            }
          });
      SVGGraphics2D g = new SVGGraphics2D(context, false);
      g.setSVGCanvasSize(new Dimension(width, height));
      for (Placed p : charts) {
        p.chart().draw(g, p.area());
      }
      Element root = g.getRoot();
      tidy(root);
      recolor(root, names());
      root.setAttribute("viewBox", "0 0 " + width + " " + height);
      root.setAttribute("role", "img");
      root.setAttribute("aria-label", label);
      Element title = document.createElementNS(NAMESPACE, "title");
      title.setTextContent(label);
      root.insertBefore(title, root.getFirstChild());
      if (standalone) {
        Element back = document.createElementNS(NAMESPACE, "rect");
        back.setAttribute("width", "100%");
        back.setAttribute("height", "100%");
        back.setAttribute("fill", PlotTheme.LIGHT.variables().getOrDefault("bg", "white"));
        back.setAttribute("stroke", "none");
        back.setAttribute("style", "fill:var(--bg)");
        root.insertBefore(back, title.getNextSibling());
        Element style = document.createElementNS(NAMESPACE, "style");
        style.setTextContent(
            "svg{"
                + PlotTheme.LIGHT.css()
                + "}@media (prefers-color-scheme:dark){svg{"
                + PlotTheme.DARK.css()
                + "}}text{font-family:system-ui,'Segoe UI',Helvetica,Arial,sans-serif}");
        root.insertBefore(style, title.getNextSibling());
      } else {
        root.removeAttribute("width");
        root.removeAttribute("height");
      }
      return text(root);
    } catch (ParserConfigurationException | TransformerException e) {
      throw new IllegalStateException("the JDK's XML writer: " + e.getMessage(), e);
    }
  }

  /// `rgb(31,35,40)` as Batik writes it to the variable's name.
  private static Map<String, String> names() {
    Map<String, String> out = new HashMap<>();
    PlotTheme.LIGHT
        .variables()
        .forEach((name, hex) -> out.put(rgb(Integer.parseInt(hex.substring(1), 16)), name));
    return out;
  }

  private static String rgb(int v) {
    return String.format(Locale.ROOT, "rgb(%d,%d,%d)", v >> 16, v >> 8 & 255, v & 255);
  }

  private static void recolor(Element e, Map<String, String> names) {
    StringBuilder style = new StringBuilder();
    for (String attribute : new String[] {"fill", "stroke"}) {
      String name = names.get(e.getAttribute(attribute).replace(" ", ""));
      if (name != null) {
        style.append(attribute).append(":var(--").append(name).append(");");
      }
    }
    if (!style.isEmpty()) {
      e.setAttribute("style", e.getAttribute("style") + style);
    }
    NodeList children = e.getChildNodes();
    for (int i = 0; i < children.getLength(); i++) {
      Node child = children.item(i);
      if (child instanceof Element inner) {
        recolor(inner, names);
      }
    }
  }

  /// Without comments and empty definitions.
  private static void tidy(Element root) {
    for (Node child = root.getFirstChild(); child != null; ) {
      Node next = child.getNextSibling();
      if (child instanceof Comment
          || (child.getNodeName().equals("defs") && child.getFirstChild() == null)) {
        root.removeChild(child);
      }
      child = next;
    }
  }

  private static String text(Element root) throws TransformerException {
    Transformer writer = TransformerFactory.newDefaultInstance().newTransformer();
    writer.setOutputProperty(OutputKeys.OMIT_XML_DECLARATION, "yes");
    writer.setOutputProperty(OutputKeys.METHOD, "xml");
    StringWriter out = new StringWriter();
    writer.transform(new DOMSource(root), new StreamResult(out));
    return out.toString();
  }
}
