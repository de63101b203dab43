import "@xyflow/react/dist/style.css";

import { graphlib, layout } from "@dagrejs/dagre";
import { useComputedColorScheme } from "@mantine/core";
import {
  Background,
  Controls,
  Handle,
  MarkerType,
  Position,
  ReactFlow,
  type Edge,
  type Node,
  type NodeProps,
} from "@xyflow/react";
import { useMemo, type ReactElement, type ReactNode } from "react";

import classes from "./Graph.module.css";

export interface GraphNode {
  id: string;
  /** Names it for those who do not see it. */
  label: string;
  content: ReactNode;
  /** Pixels; all nodes of a graph should be of one size (220 x 72). */
  width?: number;
  height?: number;
}

export interface GraphEdge {
  from: string;
  to: string;
  label?: string;
}

interface Props {
  label: string;
  nodes: readonly GraphNode[];
  edges: readonly GraphEdge[];
  /** Left to right, or top down. */
  direction?: "LR" | "TB";
  height?: number;
  /** A node was clicked, or chosen with Enter. */
  onOpen?: (id: string) => void;
}

type Box = Node<{ content: ReactNode; direction: "LR" | "TB" }, "box">;

const WIDTH = 220;
const HEIGHT = 72;
const TYPES = { box: BoxNode };

/** Boxes and arrows, laid out in layers. Loads React Flow: use it from a lazy page or with React.lazy. */
export default function Graph({ label, nodes, edges, direction = "LR", height = 420, onOpen }: Props): ReactElement {
  const scheme = useComputedColorScheme("light");
  const placed = useMemo(() => placedOf(nodes, edges, direction), [nodes, edges, direction]);
  const drawn = useMemo<Edge[]>(
    () =>
      edges.map(({ from, to, label: text }) => ({
        id: `${from} ${to}`,
        source: from,
        target: to,
        label: text,
        markerEnd: { type: MarkerType.ArrowClosed },
      })),
    [edges],
  );
  return (
    <div className={classes.frame} style={{ height }} role="region" aria-label={label}>
      <ReactFlow
        nodes={placed}
        edges={drawn}
        nodeTypes={TYPES}
        colorMode={scheme}
        fitView
        fitViewOptions={{ maxZoom: 1, padding: 0.1 }}
        minZoom={0.1}
        nodesDraggable={false}
        nodesConnectable={false}
        edgesFocusable={false}
        zoomOnScroll={false}
        preventScrolling={false}
        proOptions={{ hideAttribution: false }}
        onNodeClick={(_, node) => onOpen?.(node.id)}
        onKeyDown={(event) => {
          // React Flow only marks a node that has the focus
          const id = (event.target as HTMLElement).closest<HTMLElement>(".react-flow__node")?.dataset.id;
          if (event.key === "Enter" && id !== undefined) onOpen?.(id);
        }}
      >
        <Background />
        <Controls showInteractive={false} />
      </ReactFlow>
    </div>
  );
}

function BoxNode({ data }: NodeProps<Box>): ReactElement {
  const across = data.direction === "LR";
  return (
    <div className={classes.box}>
      <Handle type="target" position={across ? Position.Left : Position.Top} className={classes.handle} />
      {data.content}
      <Handle type="source" position={across ? Position.Right : Position.Bottom} className={classes.handle} />
    </div>
  );
}

function placedOf(nodes: readonly GraphNode[], edges: readonly GraphEdge[], direction: "LR" | "TB"): Box[] {
  const graph = new graphlib.Graph();
  graph.setGraph({ rankdir: direction, nodesep: 24, ranksep: 72 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const { id, width = WIDTH, height = HEIGHT } of nodes) graph.setNode(id, { width, height });
  for (const { from, to } of edges) graph.setEdge(from, to);
  layout(graph);
  return nodes.map(({ id, label, content, width = WIDTH, height = HEIGHT }) => {
    const at = graph.node(id) as { x: number; y: number };
    return {
      id,
      type: "box",
      position: { x: at.x - width / 2, y: at.y - height / 2 },
      width,
      height,
      ariaLabel: label,
      data: { content, direction },
    };
  });
}
