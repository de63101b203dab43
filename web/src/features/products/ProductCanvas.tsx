import { useQuery } from "@tanstack/react-query";
import { useMemo, type ReactElement } from "react";

import { ErrorState } from "@/components/ErrorState";
import Graph from "@/components/Graph";
import { Skeletons } from "@/components/Skeletons";
import { CanvasBox } from "./CanvasBox";
import { canvasOf } from "./canvas";
import { graphQuery, type Product } from "./queries";

/** Inputs, the product, and what it makes and consists of, as a picture. Its boxes lead to what they stand for. */
export default function ProductCanvas({ product }: { product: Product }): ReactElement {
  const { data, error, refetch } = useQuery(graphQuery(product.name));
  const { nodes, edges, height } = useMemo(() => {
    const canvas = canvasOf(data ?? { nodes: [], edges: [] }, product.id);
    const into = canvas.edges.filter(({ to }) => to === product.id).length;
    return {
      nodes: canvas.boxes.map((box) => ({
        id: box.id,
        label: `${box.role}: ${box.title}`,
        content: <CanvasBox box={box} product={product.name} />,
      })),
      edges: canvas.edges,
      height: Math.min(520, Math.max(220, 104 * Math.max(into, canvas.edges.length - into))),
    };
  }, [data, product]);
  if (error !== null) return <ErrorState error={error} onRetry={() => void refetch()} />;
  if (data === undefined) return <Skeletons rows={1} height={320} />;
  return <Graph label={`${product.title} and what it is made of`} nodes={nodes} edges={edges} height={height} />;
}
